"""Explains what would become of a request, without carrying anything out."""
