"""The flight recorder: masking, tape, what is kept, and how it is shown."""
