"""Ports for what a test starts later: free now, never given twice, and ours alone.

The kernel gives a port of 32768 and above to any socket that asks for none in
particular.  One of those may be gone again before a service binds it, and two in a row
may be the same one: seldom, but a run of the suite asks for more than a thousand.
"""

import os
import socket
from itertools import count

_FIRST, _SIZE = 10_000, 20_000
# Processes that share a network begin at places of their own.
_numbers = count(os.getpid() * 97)


def free_port(host: str = "127.0.0.1") -> int:
    """A port of ``host`` that is free for UDP and TCP."""
    for _ in range(_SIZE):
        port = _FIRST + next(_numbers) % _SIZE
        if _is_free(host, port):
            return port
    raise OSError(f"no free port on {host}")


def free_address(host: str) -> tuple[str, int]:
    """``host`` with such a port."""
    return host, free_port(host)


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(family, kind) as probe:
                probe.bind((host, port))
    except OSError:
        return False
    return True
