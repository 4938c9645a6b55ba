"""What the running service has seen: calls, traces, and what it would do."""
