"""The lines of our Record-Route, and how to find and change them in a message."""

from typing import Final

from proxy.sip.flow import Listener
from proxy.sip.grammar import AT, logical_lines
from proxy.sip.names import canonical_name

ENTRY: Final = b"\r\nRecord-Route: <sip:"
_SAYS_WHERE: Final = (b"Contact: <sip:", b"Record-Route: <sip:")
_USER_BYTES: Final = bytes(chr(n).isalnum() or n in b"-_.~+" for n in range(128))


def lines_of(
    user: bytes, inward: Listener, out: Listener, is_secure: bool, is_asked: bool
) -> list[bytes]:
    """One line, or two when the request leaves over another listener than it came in
    on (decision 4, RFC 5658)."""
    if is_asked and inward.transport != "tls":
        inward = out  # sips: cannot name a listener without TLS
    lines = [_line(user, out, is_secure)]
    if inward is not out:
        lines.append(_line(user, inward, is_asked))
    return lines


def _line(user: bytes, listener: Listener, sips: bool) -> bytes:
    if sips:  # RFC 5630 section 3.1.3: sips: means TLS, so no transport is written
        return b"Record-Route: <sips:%b@%b;lr>" % (user, listener.sent_by)
    transport = (
        b""
        if listener.transport == "udp"
        else b";transport=%b" % listener.transport.encode()
    )
    return b"Record-Route: <sip:%b@%b%b;lr>" % (user, listener.sent_by, transport)


def where_said(line: bytes) -> bytes:
    """The part of a Contact or Record-Route line that says where its sender is.

    That is all but a plain user part, so that the callers behind one address share an
    entry.
    """
    for begin in _SAYS_WHERE:
        if line.startswith(begin):
            start = at = len(begin)
            end = len(line)
            # Compiled, this loop costs less than a method call on the line.
            while at < end and line[at] < 128 and _USER_BYTES[line[at]]:
                at += 1
            return line[at:] if start < at < end and line[at] == AT else line
    return line


def with_entry(head: bytes, ours: bytes, theirs: bytes) -> bytes:
    """The header block with ``ours`` changed into ``theirs`` in every Record-Route.

    A peer may have copied our entry into other lines, which we must not edit.
    """
    place = head.find(ours)
    while place >= 0:
        if not head.startswith(ENTRY, place + 1 - len(ENTRY)):
            return b"\r\n".join(
                line.replace(ours, theirs)
                if canonical_name(line.partition(b":")[0]) == "record-route"
                else line
                for line in logical_lines(head)
            )
        place = head.find(ours, place + 1)
    return head.replace(ours, theirs)
