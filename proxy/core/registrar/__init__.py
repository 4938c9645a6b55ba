"""The registrar (RFC 3261 section 10.3)."""
