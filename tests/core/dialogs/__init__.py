"""Tests of `proxy/core/dialogs`."""
