"""The location service: AOR to bindings."""
