"""The bench of `make bench`: no tests in here."""
