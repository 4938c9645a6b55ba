"""The chat probe."""
