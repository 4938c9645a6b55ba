"""The ACK and the CANCEL that belong to an INVITE of ours.

Both are built from the lines of the INVITE as it was sent (RFC 3261 sections 9.1 and
17.1.1.3): Request-URI, our Via with its branch, Route, From, Call-ID and the number of
CSeq are the same; an ACK has the To of the response.
"""

from collections.abc import Sequence

from proxy.sip.fields import parse_cseq
from proxy.sip.names import canonical_name


class Companions:
    """Builds the ACK and the CANCEL from the few lines of the INVITE that it keeps."""

    __slots__ = ("_call_id", "_from", "_number", "_routes", "_to", "_uri", "_via")

    def __init__(self, lines: Sequence[bytes]) -> None:
        """``lines`` are those of the INVITE: start line, our Via, and so on.

        Raises MalformedMessage for a CSeq that cannot be read.
        """
        self._uri = lines[0].split(b" ")[1]
        self._via = b""
        self._routes: list[bytes] = []
        self._from = self._to = self._call_id = b""
        self._number = 0
        for line in lines[1:]:
            if not line:
                break  # the body comes next
            name = canonical_name(line.partition(b":")[0])
            if name == "via":
                # Ours is on top.  An ACK and a CANCEL have this one only (sections 9.1
                # and 17.1.1.3).
                self._via = self._via or line
            elif name == "route":
                self._routes.append(line)
            elif name == "from":
                self._from = line
            elif name == "to":
                self._to = line
            elif name == "call-id":
                self._call_id = line
            elif name == "cseq":
                self._number = parse_cseq(line)[0]

    def ack(self, to_line: bytes) -> list[bytes]:
        """The lines of the ACK for a response of 300 or more with this To line."""
        return self._lines(b"ACK", to_line, ())

    def cancel(self, reasons: Sequence[bytes] = ()) -> list[bytes]:
        """The lines of the CANCEL.

        ``reasons`` are whole Reason lines (RFC 3326); everything else is the INVITE's.
        """
        return self._lines(b"CANCEL", self._to, reasons)

    def _lines(
        self, method: bytes, to_line: bytes, more: Sequence[bytes]
    ) -> list[bytes]:
        return [
            b"%b %b SIP/2.0" % (method, self._uri),
            self._via,
            *self._routes,
            b"Max-Forwards: 70",
            self._from,
            to_line,
            self._call_id,
            b"CSeq: %d %b" % (self._number, method),
            *more,
            b"Content-Length: 0",
            b"",
            b"",
        ]
