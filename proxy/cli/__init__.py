"""The waypost command."""
