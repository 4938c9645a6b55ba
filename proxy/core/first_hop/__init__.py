"""First-hop mode: what a legacy client connects to."""
