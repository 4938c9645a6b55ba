"""Tests of `proxy/core/forwarding`."""
