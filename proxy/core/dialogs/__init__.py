"""What leads a request to the other end of its dialog (RFC 3261 section 12)."""
