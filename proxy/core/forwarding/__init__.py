"""Forwarding and what comes back (RFC 3261 sections 16.6 to 16.10)."""
