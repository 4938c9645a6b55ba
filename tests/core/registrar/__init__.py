"""Tests of `proxy/core/registrar`."""
