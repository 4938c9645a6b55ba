"""What processes say to the network, and to whom: an audit hook in every one of them.

Python runs a ``sitecustomize`` that it finds on its path when it starts.  Ours notes
each address that a socket is connected to or sends to, for a process that a test starts
with ``environment()`` and for those that it forks.
"""

import os
from pathlib import Path

_PROGRAM = """
import os, sys
NOTES = %r
PEERS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
NAMES = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}

def note(event, arguments):
    if event in PEERS and isinstance(arguments[1], tuple):
        what = "{}:{}".format(*arguments[1][:2])
    elif event in NAMES and not str(arguments[0])[-1:].isdigit():  # no address
        what = "name " + str(arguments[0])
    else:
        return
    notes = os.open(NOTES, os.O_WRONLY | os.O_APPEND)
    os.write(notes, "{} {}\\n".format(os.getpid(), what).encode())
    os.close(notes)

sys.addaudithook(note)
"""


class SocketWatch:
    """The notes of all that were started with ``environment``."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder, self._notes = folder, folder / "notes"
        self._notes.touch()
        (folder / "sitecustomize.py").write_text(_PROGRAM % str(self._notes))

    def environment(self) -> dict[str, str]:
        """Ours, with the hook."""
        return {**os.environ, "PYTHONPATH": str(self._folder)}

    def take(self) -> list[tuple[int, str]]:
        """Process and peer of each note since the last time: ``192.0.2.1:5060``, or
        ``name fe1.contoso.test`` for one that the system was asked for."""
        lines = self._notes.read_text().splitlines()
        self._notes.write_text("")
        found = [line.partition(" ") for line in lines]
        return [(int(pid), what) for pid, _, what in found]
