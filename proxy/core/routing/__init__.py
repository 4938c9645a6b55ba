"""Where a request goes (RFC 3261 sections 16.4, 16.5): routes, targets, next hops."""
