"""The writer between shell and core, its file, and the replay."""
