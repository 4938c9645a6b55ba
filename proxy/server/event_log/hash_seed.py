"""The seed of Python's hashes: an input of the core that only the start can set.

To tags and the loop marks in branches are Python's keyed hash, because nothing else is
as cheap and as hard to guess.  So a process that writes an event log is started with a
known seed, and a process that replays it with the same seed.
"""

import os
import secrets
import sys
from typing import Final

VARIABLE: Final = "PYTHONHASHSEED"
PROBE: Final = b"waypost"
"""Its hash tells whether two processes make the same hashes."""
_SEEDS: Final = 1 << 32  # what the variable may hold


def known_seed() -> int | None:
    """The seed of this process; None when Python has chosen one itself."""
    word = os.environ.get(VARIABLE, "")
    return int(word) if word.isdecimal() else None


def with_known_seed(seed: int | None = None) -> None:
    """Make sure that this process has this seed, or without one any known seed.

    If it has not, execute the program anew.  From outside that is the same process:
    pid, descriptors and ignored signals stay.
    """
    known = known_seed()
    if known is not None and seed in (None, known):
        return
    wanted = secrets.randbelow(_SEEDS) if seed is None else seed
    environment = {**os.environ, VARIABLE: str(wanted)}
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
