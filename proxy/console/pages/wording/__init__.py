"""What the rest of the program says, for pages in the language of their reader."""
