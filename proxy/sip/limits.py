"""Limits for one message: how much a stranger may send us."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """Bytes unless the name says otherwise."""

    datagram: int = 65_535  # the most that UDP carries; section 18.1.1 demands it
    header_block: int = 16 * 1024  # stream messages: start line and header lines
    header_lines: int = 128
    header_line: int = 8 * 1024
    body: int = 64 * 1024
    uri: int = 1024
    via_hops: int = 70  # as many as Max-Forwards usually allows (section 8.1.1.6)
    route_entries: int = 40


DEFAULT_LIMITS = MessageLimits()
NO_LIMITS = MessageLimits(*([1 << 30] * 8))
"""For messages that we have sent: with our own lines they may exceed our limits."""


def head_of_answers(limits: MessageLimits) -> int:
    """Bytes that the header block of a response may have: see ``for_answers``."""
    return 2 * limits.header_block + limits.datagram


def for_answers(limits: MessageLimits) -> MessageLimits:
    """Those for responses: twice as much of everything in the header block, and on a
    stream what a datagram may have brought besides.

    A response repeats lines of its request, some of them longer, and has lines of its
    own.  If we did not read the response to a request that we have passed on, its
    sender could make any server look silent.
    """
    return replace(
        limits,
        header_block=head_of_answers(limits),
        header_lines=2 * limits.header_lines,
        header_line=2 * limits.header_line,
    )
