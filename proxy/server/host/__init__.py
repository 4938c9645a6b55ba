"""What this process has from its machine and from the service manager."""
