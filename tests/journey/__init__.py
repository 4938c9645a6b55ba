"""The legacy client and its journey."""
