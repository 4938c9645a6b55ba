"""Tests of the lab's pure parts; the lab on the wire is in tests/wire."""
