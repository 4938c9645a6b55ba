"""How results stand on the screen, and what becomes of them."""
