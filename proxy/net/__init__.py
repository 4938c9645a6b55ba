"""Sockets: UDP, TCP and TLS."""
