"""The options of a datagram socket: large buffers, and the kernel's error queue.

From the error queue we learn which datagram an ICMP message is about (decision 29).
"""

import errno
import socket
import struct
import sys
from typing import Final

BUFFER: Final = 4 * 1024 * 1024  # bytes asked of the kernel, each way

# Linux numbers that the socket module does not name (linux/errqueue.h, linux/in.h).
_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25
MSG_ERRQUEUE: Final = 0x2000
_SO_RCVBUFFORCE: Final = 33
_SO_SNDBUFFORCE: Final = 32
_SO_MEMINFO: Final = 55  # asm-generic/socket.h; its words: linux/sock_diag.h
_MEMINFO_WORDS: Final = 16
_DROPS: Final = 8
_EXTENDED_ERROR: Final = struct.Struct("=IBBBxII")
_ORIGIN_ICMP: Final = (2, 3)

REASONS: Final = {
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTDOWN: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",
    errno.EACCES: "unreachable",
    errno.EPERM: "not-permitted",
    errno.EMSGSIZE: "too-large",
}
"""The reason that is reported for a datagram of ours that failed with an errno."""


def tune(opened: socket.socket) -> None:
    """Large buffers and the error queue, as far as the system lets us."""
    if sys.platform == "linux":
        # The forced form ignores the system's ceiling, for privileged processes.
        _set(opened, socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        _set(opened, socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        _set(opened, socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER)
        _set(opened, socket.SOL_SOCKET, _SO_SNDBUFFORCE, BUFFER)
        if opened.family == socket.AF_INET6:
            _set(opened, socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        else:
            _set(opened, socket.IPPROTO_IP, _IP_RECVERR, 1)


def _set(opened: socket.socket, level: int, option: int, value: int) -> None:
    try:
        opened.setsockopt(level, option, value)
    except OSError:
        return  # smaller buffers, or later news of a failure, but the socket serves


def drops(opened: socket.socket) -> int:
    """How many datagrams the kernel has dropped before we could read them.

    Its queue was full, or our own filter dropped them (``sieve.py``).  0 where the
    kernel does not tell.
    """
    if sys.platform != "linux":
        return 0
    try:
        told = opened.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * _MEMINFO_WORDS)
    except OSError:
        return 0
    words = struct.unpack(f"={len(told) // 4}I", told)
    return int(words[_DROPS]) if len(words) > _DROPS else 0


def icmp_error(ancillary: list[tuple[int, int, bytes]]) -> int:
    """The errno that ICMP meant; 0 when the error is the kernel's own."""
    for level, kind, data in ancillary:
        if (level, kind) in (
            (socket.IPPROTO_IP, _IP_RECVERR),
            (socket.IPPROTO_IPV6, _IPV6_RECVERR),
        ):
            number, origin = _EXTENDED_ERROR.unpack_from(data)[:2]
            if origin in _ORIGIN_ICMP:
                return int(number)
    return 0
