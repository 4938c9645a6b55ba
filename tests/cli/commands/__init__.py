"""Tests of `proxy/cli/commands`."""
