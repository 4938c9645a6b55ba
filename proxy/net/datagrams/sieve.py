"""A filter in the kernel for a datagram socket that is never empty (decision 113).

A full socket drops whatever comes next, a BYE like an INVITE.  To read requests that
nobody can serve also takes the processor from those that could be served.  So we attach
a filter (classic BPF, SO_ATTACH_FILTER of socket(7), no privilege needed).  It passes
every message that by its first bytes belongs to something under way, and a share of the
rest.  The client of a dropped request sends it again (RFC 3261 section 17.1.1.2), and
the request has the same chance then.

INVITE, SUBSCRIBE and REGISTER may begin something or continue it.  Their first four
bytes do not tell which, so a re-INVITE has only the chance of a new INVITE.
"""

import array
import asyncio
import socket
import struct
import sys
from typing import Final

from proxy.net.datagrams.backlog import Backlog

PASSES: Final = (
    *(b"SIP/", b"ACK ", b"BYE ", b"CANCEL", b"INFO", b"NOTIFY", b"BENOTIFY"),
    *(b"UPDATE", b"PRACK"),
)
"""What the messages begin with that always pass: responses, and requests that by their
method continue something."""
TURN: Final = 0.1
"""Seconds between two decisions about the share."""
LEAST: Final = 1 / 64
"""The smallest share.  It is above zero because a client sends an INVITE only seven
times before it gives up."""

_ATTACH: Final = 26  # SO_ATTACH_FILTER and SO_DETACH_FILTER of asm-generic/socket.h
_DETACH: Final = 27
_STEP: Final = struct.Struct("=HBBI")
_LOAD_LENGTH: Final = 0x80
_LOAD_WORD: Final = 0x20
_IF_EQUAL: Final = 0x15
_IF_GREATER: Final = 0x25
_IF_AT_LEAST: Final = 0x35
_RETURN: Final = 0x06
_RANDOM: Final = 0xFFFFF000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM
_UDP_HEADER: Final = 8  # the filter sees these bytes in front of the message
_FIRST_LETTER: Final = 0x0E000000  # above CR, LF and the first byte of STUN
_ALL: Final = 0xFFFFFFFF


def next_share(share: float, was_emptied: bool) -> float:
    """The share of new messages that may pass in the next turn.

    It is halved when the socket was never empty in this turn, and grows by half when it
    was.
    """
    return min(share * 1.5, 1.0) if was_emptied else max(share / 2, LEAST)


def program(share: float) -> bytes:
    """The filter that lets this share (0 to 1) of what is new pass."""
    words = [int.from_bytes(each[:4], "big") for each in PASSES]
    count = len(words)
    steps = [
        (_LOAD_LENGTH, 0, 0, 0),
        # Keep-alives pass (RFC 5626 section 3.5): datagrams shorter than a word, line
        # ends, STUN.  They cost next to nothing, and a client without an answer to its
        # own would give up the flow.
        (_IF_AT_LEAST, 0, count + 4, _UDP_HEADER + 4),
        (_LOAD_WORD, 0, 0, _UDP_HEADER),
        (_IF_AT_LEAST, 0, count + 2, _FIRST_LETTER),
        *((_IF_EQUAL, count + 1 - n, 0, word) for n, word in enumerate(words)),
        (_LOAD_WORD, 0, 0, _RANDOM),
        (_IF_GREATER, 1, 0, min(int(share * _ALL), _ALL)),
        (_RETURN, 0, 0, _ALL),
        (_RETURN, 0, 0, 0),
    ]
    return b"".join(_STEP.pack(*step) for step in steps)


def let_through(opened: socket.socket, share: float) -> bool:
    """Let this share of the new messages pass; a share of 1 removes the filter.

    False when this system has no such filter; everything passes then.
    """
    if sys.platform != "linux":
        return False
    try:
        if share >= 1:
            opened.setsockopt(socket.SOL_SOCKET, _DETACH, 0)
            return True
        steps = program(share)
        held = array.array("B", steps)
        # struct sock_fprog: the number of steps and where they are.
        where = struct.pack("@HP", len(steps) // _STEP.size, held.buffer_info()[0])
        opened.setsockopt(socket.SOL_SOCKET, _ATTACH, where)
    except OSError:
        return False
    return True


class Sieve:
    """Decides which share of the new messages one socket takes while it is behind."""

    __slots__ = ("_backlog", "_loop", "_opened", "_timer", "_turned_at", "share")

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._timer: asyncio.TimerHandle | None = None
        self.share = 1.0

    def begin(self, loop: asyncio.AbstractEventLoop, opened: socket.socket) -> None:
        """The socket has fallen behind; further calls change nothing."""
        if self._timer is None:
            self._loop, self._opened = loop, opened
            self._use(next_share(self.share, was_emptied=False))

    def end(self) -> None:
        """The socket is about to be closed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.share = 1.0

    def _turn(self) -> None:
        # By a timer and not after each read: the share must also grow when nothing
        # comes any more.
        self._timer = None
        is_full = self._backlog.is_full(self._turned_at)
        self._use(next_share(self.share, not is_full))

    def _use(self, share: float) -> None:
        if let_through(self._opened, share):
            self.share = share
            if share < 1:
                self._turned_at = self._loop.time()
                self._timer = self._loop.call_later(TURN, self._turn)
