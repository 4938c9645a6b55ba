"""How results look on the screen, and what happens when they cannot be written."""
