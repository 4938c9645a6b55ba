"""Tests of `proxy/core/answers`."""
