"""Tests of `proxy/core/first_hop`."""
