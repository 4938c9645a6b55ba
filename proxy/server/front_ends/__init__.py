"""Front ends as the running service sees them, for pages."""
