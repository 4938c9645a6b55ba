"""The migration weekend as a checklist."""
