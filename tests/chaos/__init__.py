"""Real processes under load, and what happens when one is killed."""
