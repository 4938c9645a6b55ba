"""The first day: a configuration of one's own, and what the machine needs beside it."""
