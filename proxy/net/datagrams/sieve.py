"""What the kernel drops for us while a datagram socket is never empty.

A socket that stays full drops whatever comes next, a BYE like an INVITE, and to read
what nobody can serve takes the processor from what could be served.  So a filter in the
kernel (classic BPF, SO_ATTACH_FILTER of socket(7), no privilege needed) lets all pass
that belongs to something that has begun, and of the rest a share.  What is dropped is
sent again by its client (RFC 3261 section 17.1.1.2) and has the same chance then.

A request inside a dialog whose method may also begin one (INVITE, SUBSCRIBE, REGISTER)
cannot be told apart by four bytes, and shares the chance.
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
TURN: Final = 0.1
"""Seconds between two decisions about the share."""
LEAST: Final = 1 / 64
"""A client sends seven times before it gives up, so no share may be nothing."""

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
_UDP_HEADER: Final = 8  # the filter sees it before the message
_FIRST_LETTER: Final = 0x0E000000
_ALL: Final = 0xFFFFFFFF


def next_share(share: float, was_emptied: bool) -> float:
    """The share of new messages to let through for one turn more.

    Half as many while the socket is not emptied, half as many again when it was.
    """
    return min(share * 1.5, 1.0) if was_emptied else max(share / 2, LEAST)


def program(share: float) -> bytes:
    """The filter that lets this share (0 to 1) of what is new pass."""
    words = [int.from_bytes(each[:4], "big") for each in PASSES]
    count = len(words)
    steps = [
        (_LOAD_LENGTH, 0, 0, 0),
        # Keep-alives (RFC 5626 section 3.5) cost nothing, and who gets no answer to his
        # gives up the flow: what is shorter than a word, line ends, STUN.
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
    """Let this share of what is new pass, all of it from 1 on; False: it cannot be done
    here, and everything passes."""
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
    """Decides how much of what is new one socket lets through while it is behind."""

    __slots__ = ("_backlog", "_loop", "_opened", "_timer", "_turned_at", "share")

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._timer: asyncio.TimerHandle | None = None
        self.share = 1.0

    def begin(self, loop: asyncio.AbstractEventLoop, opened: socket.socket) -> None:
        """The socket is behind; a second word of it changes nothing."""
        if self._timer is None:
            self._loop, self._opened = loop, opened
            self._turned_at = 0.0
            self._turn()

    def end(self) -> None:
        """The socket is given up."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.share = 1.0

    def _turn(self) -> None:
        # By time and not by reads: when nothing comes any more, the share has to grow.
        self._timer = None
        now = self._loop.time()
        is_full = self._backlog.is_full(self._turned_at or now)
        self._turned_at = now
        share = next_share(self.share, not is_full)
        if let_through(self._opened, share):
            self.share = share
            if share < 1:
                self._timer = self._loop.call_later(TURN, self._turn)
