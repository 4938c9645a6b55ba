"""The runtime: lifecycle and wiring."""
