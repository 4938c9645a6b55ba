"""The command of the first day."""
