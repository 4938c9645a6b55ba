"""Fixtures and harnesses that several kinds of test share."""
