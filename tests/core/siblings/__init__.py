"""Tests of `proxy/core/siblings`."""
