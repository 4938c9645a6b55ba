"""Tests of `proxy/cli/screen`."""
