"""Sources that guess passwords or scan for addresses."""
