"""Tests of what the core says would become of a request."""
