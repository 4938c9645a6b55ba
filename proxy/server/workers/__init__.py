"""Several workers of one node: their supervisor, and what ties them together."""
