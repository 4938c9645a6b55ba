"""Tests of Waypost; the tree mirrors `proxy/`."""
