"""The pages of the console: a whole migration from a browser.

They call the functions that the API calls, never HTTP to themselves.
"""
