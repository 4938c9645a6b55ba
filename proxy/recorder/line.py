"""A line of the book: one request, what became of it, and how that is put into words.

Compiled together with the core.
"""

from collections.abc import Sequence
from typing import Any, Final

from proxy.recorder.rules import refused_by
from proxy.sip.display import visible
from proxy.sip.errors import MalformedMessage
from proxy.sip.fields import parse_name_addr
from proxy.sip.flow import Ends
from proxy.sip.grammar import unfold
from proxy.sip.host import host_port
from proxy.sip.masking import masked_start, masked_uri
from proxy.sip.message import Request
from proxy.sip.uri import parse_uri

_BLANK: Final = 0x20
_EACH_FAILURE: Final = 100
"""What a failure inside a dialog takes besides its words."""
MOST_REASON: Final = 512
"""Bytes of what an answer says about why it failed."""
NO_FAILURE: Final = frozenset({401, 407, 487})
"""Challenges, and what a caller gets for its own CANCEL."""


class Failure:
    """A final answer of 400 or more inside the dialog."""

    __slots__ = ("at", "method", "reason", "status")

    def __init__(self, at: float, status: int, method: str, reason: str) -> None:
        self.at = at
        self.status = status
        self.method = method
        self.reason = reason

    @property
    def size(self) -> int:
        """Bytes that this takes."""
        return _EACH_FAILURE + len(self.method) + len(self.reason)


class Line:
    """One request and what became of it; instants are wall-clock seconds."""

    __slots__ = (
        "at",
        "attempts",
        "call_id",
        "cseq",
        "ended",
        "ended_at",
        "endpoint",
        "ends",
        "failures",
        "method",
        "pool",
        "reason",
        "rule",
        "seconds",
        "sender",
        "size",
        "status",
        "uri",
    )

    def __init__(
        self,
        at: float,
        method: bytes,
        uri: bytes,
        sender: bytes,
        call_id: bytes,
        ends: Ends,
        status: int,
        seconds: float,
        rule: str,
        endpoint: str,
        pool: str,
        attempts: Sequence[tuple[str, str, float]],
    ) -> None:
        self.at = at
        self.method = method
        self.uri = uri
        self.sender = sender
        self.call_id = call_id
        self.ends = ends
        self.status = status
        self.seconds = seconds
        self.rule = rule
        self.endpoint = endpoint
        self.pool = pool
        self.attempts = attempts
        self.reason = b""
        self.cseq = b""
        self.ended = ""
        self.ended_at = 0.0
        self.failures: list[Failure] | None = None
        self.size = 0

    @property
    def is_failed(self) -> bool:
        """Whether something went wrong, at first or later."""
        is_refused = self.status >= 400 and self.status not in NO_FAILURE
        return is_refused or bool(self.failures)

    @property
    def who(self) -> str:
        """``user@host`` of From."""
        return aor_of_line(self.sender)

    def to_json(self) -> dict[str, Any]:
        """As plain types."""
        ends = self.ends
        return {
            "at": self.at,
            "method": text_of(self.method),
            "from": self.who,
            "request_uri": text_of(masked_uri(self.uri)),
            "source": f"{ends.transport}:{host_port(ends.host, ends.port)}",
            "status": self.status,
            "seconds": round(self.seconds, 4),
            "rule": self.rule,
            "endpoint": self.endpoint,
            "pool": self.pool,
            "attempts": attempts_as_json(self.attempts),
            "reason": self._why(),
            "ended": self.ended,
            "ended_at": self.ended_at,
            "failures": [
                {"at": x.at, "status": x.status, "method": x.method, "reason": x.reason}
                for x in self.failures or ()
            ],
            "is_failed": self.is_failed,
            "call_id": text_of(self.call_id),
        }

    def _why(self) -> str:
        """What our answer said, and which rule refused."""
        words = said(self.reason)
        rule = ""
        if self.status >= 400 and not self.attempts:
            rule = refused_by(self.rule, self.status)
        return "; ".join(filter(None, (rule, words)))


def call_id_in(request: Request) -> bytes:
    """The request's Call-ID; the usual spelling is read without the parser."""
    line = request.lines[request.index["call-id"]]
    if line.startswith(b"Call-ID: "):
        found = line[9:]
        if found and _BLANK not in found:
            return found
    return request.value("call-id") or b""


def reason_of(data: bytes) -> bytes:
    """What an answer says about why it failed, as far as we keep it."""
    found = header_of(data, b"ms-diagnostics") or header_of(data, b"warning")
    return found[:MOST_REASON]


def said(reason: bytes) -> str:
    """A reason as it may be shown; one of full length was most likely cut."""
    return text_of(masked_start(reason, MOST_REASON - 1))


def header_of(data: bytes, *names: bytes) -> bytes:
    """The first header field of one of these names, in lower case; else empty."""
    for line in data.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() in names:
            return value.strip()
    return b""


def attempts_as_json(
    attempts: Sequence[tuple[str, str, float]],
) -> list[dict[str, Any]]:
    """Who was tried, how that ended and how long it took, as plain types."""
    return [
        {"front_end": name, "outcome": outcome, "seconds": round(took, 4)}
        for name, outcome, took in attempts
    ]


def plain_address(text: str) -> str:
    """As addresses are compared: lower case, without a scheme."""
    return text.strip().lower().removeprefix("sips:").removeprefix("sip:")


def fits(wanted: str, found: str) -> bool:
    """``alice`` and ``alice@contoso.test`` both name alice@contoso.test."""
    wanted = plain_address(wanted)
    return found == wanted or found.startswith(f"{wanted}@")


def dialled(uri: bytes) -> str:
    """``user@host`` of a URI; empty when it cannot be read."""
    try:
        return parse_uri(uri).key
    except MalformedMessage:
        return ""


def aor_of_line(line: bytes) -> str:
    """``user@host`` of a whole From line; empty when it cannot be read."""
    value = unfold(line.partition(b":")[2].strip())
    try:
        return visible(parse_uri(parse_name_addr(value).uri).key)
    except MalformedMessage:
        return ""


def text_of(data: bytes) -> str:
    return visible(data.decode("utf-8", "replace"))
