"""Limits for one message: how much a stranger may send us."""

from dataclasses import dataclass


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
