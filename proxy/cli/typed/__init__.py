"""The line as it was typed, before Typer reads it."""
