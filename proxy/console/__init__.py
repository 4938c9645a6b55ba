"""The console: the verbs over HTTPS, in a process of its own.

Nothing of the proxy's process imports this, nor what it needs (``waypost[console]``).
"""
