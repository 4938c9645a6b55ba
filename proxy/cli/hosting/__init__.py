"""Commands for somebody at another machine: run in the console, typed over there."""
