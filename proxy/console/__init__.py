"""The console: the verbs over HTTPS, in a process of its own.

The proxy's process imports neither this nor what it needs (``waypost[console]``).
"""
