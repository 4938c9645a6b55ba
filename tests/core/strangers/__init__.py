"""Tests of `proxy/core/strangers`."""
