"""How Python's threads take turns.

One of them carries messages; the others write to the store, check a password, ask a
certificate.  Each system call gives the interpreter away, and whoever takes it then may
keep it for the interpreter's interval, 5 ms as it comes: many times what a message
takes.
"""

import sys
from typing import Final

INTERVAL: Final = 0.0005
"""Seconds that a thread may keep the interpreter when another wants it."""


def share_fairly() -> None:
    """Have nobody wait for long."""
    sys.setswitchinterval(INTERVAL)
