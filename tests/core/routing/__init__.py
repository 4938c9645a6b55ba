"""Tests of `proxy/core/routing`."""
