"""The admin listener: HTTP, its client, its token."""
