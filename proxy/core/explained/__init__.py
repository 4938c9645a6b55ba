"""What would become of a request: the core asked, and nothing carried out."""
