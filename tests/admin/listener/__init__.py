"""Tests of `proxy/admin/listener`."""
