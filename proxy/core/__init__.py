"""The proxy core: RFC 3261 section 16, without sockets, clock or logs."""
