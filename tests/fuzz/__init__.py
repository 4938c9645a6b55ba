"""Fuzzing: targets, a corpus for each, and an engine that needs nothing installed."""
