"""The doctor: what it asks and how it judges."""
