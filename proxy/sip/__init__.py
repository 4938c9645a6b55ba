"""Bytes to messages and back; the standard library only."""
