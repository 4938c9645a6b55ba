"""Our own branches, and what they tell when they come back.

``z9hG4bKwp<instance>.<serial>.<loop mark>``: instance and serial make a branch unique,
and the loop mark detects loops (RFC 3261 section 16.6 item 8, RFC 5393 section 4.2).
"""

from collections.abc import Sequence
from typing import Final

from proxy.sip.flow import DEFAULT_PORT, Listener
from proxy.sip.grammar import split_values
from proxy.sip.host import canonical_host
from proxy.sip.message import Request

OWN_MARK: Final = b"z9hG4bKwp"
_OWN_BRANCH: Final = b";branch=" + OWN_MARK
_PAIRS: Final = [b"%02x" % n for n in range(256)]


class Branches:
    """Makes branches; ``instance`` is a random number of this process.

    ``more`` are the sent-by values of the other workers, which count as ours.
    """

    __slots__ = ("_addresses", "_own", "_sent_by", "_serial", "_start", "prefix")

    def __init__(
        self,
        instance: int,
        listeners: Sequence[Listener],
        more: Sequence[bytes] = (),
        serial: int = 0,
    ) -> None:
        self.prefix = b"%b%08x." % (OWN_MARK, instance)
        self._serial = serial
        # All but the last two digits of the serial: made once for 256 branches.
        self._start = b"%b%x" % (self.prefix, serial >> 8)
        sent_by = [listener.outlet.sent_by for listener in listeners]
        sent_by += (listener.sent_by for listener in listeners)
        self._sent_by = list(dict.fromkeys((*sent_by, *more)))
        self._addresses = {_address_of(each) for each in self._sent_by}
        self._own = {
            f"Via: SIP/2.0/{transport} ".encode() + each
            for each in self._sent_by
            for transport in ("UDP", "TCP", "TLS")
        }

    def make(self, request: Request) -> bytes:
        """A new branch for one attempt to forward ``request``."""
        self._serial = serial = self._serial + 1
        if serial & 0xFF == 0:
            self._start = b"%b%x" % (self.prefix, serial >> 8)
        return self._start + _PAIRS[serial & 0xFF] + _digits(_loop_mark(request))

    def is_own_via(self, text: bytes) -> bool:
        """Section 18.1.2: the sent-by in this piece of a Via is one of ours.

        A peer that parses and rewrites messages may spell our address differently.
        """
        return (
            text in self._own
            or any(text.find(x) >= 0 for x in self._sent_by)
            or _address_of(text) in self._addresses
        )

    def is_looping(self, request: Request) -> bool:
        """Section 16.3 item 4: whether a Via of ours has the mark of this request.

        A request that came back changed (a spiral) has another mark and may go on.
        """
        if (
            request.lines[request.index["via"]].find(_OWN_BRANCH) < 0
            and request.count("via") == 1
        ):
            return False
        mark = _digits(_loop_mark(request))
        for value in request.values("via"):
            if value.find(_OWN_BRANCH) >= 0:
                for via in split_values(value):
                    head, _, rest = via.partition(_OWN_BRANCH)
                    branch = rest.partition(b";")[0]
                    if branch.endswith(mark) and self.is_own_via(head):
                        return True
        return False


def _address_of(text: bytes) -> tuple[str, int]:
    """Host and port at the end of the part of a Via that is before its parameters."""
    front = text.partition(b";")[0].strip()
    host, _, digits = front.rpartition(b":")
    number = digits.strip()
    if number.isdigit() and len(number) < 6:
        port = int(number)
    else:
        host = front
        port = DEFAULT_PORT["tls" if front.find(b"/TLS ") >= 0 else "udp"]
    written = host.strip().rpartition(b" ")[2].decode("latin-1")
    return canonical_host(written), port


def _digits(mark: int) -> bytes:
    """A dot and eight hex digits; ``%08x`` would cost three times as much."""
    return b"".join(
        (
            b".",
            _PAIRS[mark >> 24],
            _PAIRS[mark >> 16 & 0xFF],
            _PAIRS[mark >> 8 & 0xFF],
            _PAIRS[mark & 0xFF],
        )
    )


def _loop_mark(request: Request) -> int:
    """A hash of everything that routing looks at, 32 bits.

    It is Python's own keyed hash of the raw lines.  The same lines have the same mark
    in this process and its siblings, and only these compare marks.
    """
    lines, index = request.lines, request.index
    route = index.get("route")
    return (
        hash(
            (
                request.uri,
                lines[index["call-id"]],
                lines[index["cseq"]],
                lines[index["from"]],
                lines[index["to"]],
                lines[route] if route is not None else None,
            )
        )
        & 0xFFFFFFFF
    )
