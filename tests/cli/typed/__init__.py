"""Tests of `proxy/cli/typed`."""
