"""The pages of the console: as HTTP, and in a real browser."""
