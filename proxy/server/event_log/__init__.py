"""The event log: all that the core takes and gives, and its replay."""
