"""What keeps the store and the running proxy in step, in both directions."""
