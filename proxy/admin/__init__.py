"""Every operator verb, once."""
