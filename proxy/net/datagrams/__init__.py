"""UDP: one socket for each listener, and what becomes of one that is never empty."""
