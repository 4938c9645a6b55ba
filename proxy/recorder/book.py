"""The book of the last calls: who asked what, where it went, how it ended.

Each request outside a dialog has one line, which also notes what happens later inside
the dialog.  A line keeps references to pieces of the request; they are put into words
only when somebody asks.  The book is bounded by count and by bytes.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final

from proxy.recorder.chunk import Taped, answers, cseq_method_of
from proxy.recorder.rules import refused_by
from proxy.recorder.tape import Tape
from proxy.sip.display import visible
from proxy.sip.errors import MalformedMessage
from proxy.sip.fields import parse_name_addr
from proxy.sip.finished import Finished, Group
from proxy.sip.flow import Ends
from proxy.sip.grammar import unfold
from proxy.sip.host import host_port
from proxy.sip.masking import masked_start, masked_uri
from proxy.sip.message import Request
from proxy.sip.uri import parse_uri

EACH: Final = 1024
"""Bytes that a line may take on average."""
_BLANK: Final = 0x20
_LINE: Final = 450
"""What a line takes besides what the caller wrote."""
SLOW: Final = 0.2
"""Seconds: a faster request is never slow, however fast the others are."""
MOST_FAILURES: Final = 8
_EACH_FAILURE: Final = 100
"""What a failure inside a dialog takes besides its words."""
MOST_REASON: Final = 512
"""Bytes of what an answer says about why it failed."""
_NO_FAILURE: Final = frozenset({401, 407, 487})
"""Challenges, and what a caller gets for its own CANCEL."""
_SAME: Final = 1.0
"""Seconds: an answer so close to a line, with its status, is the one it tells of."""
INSIDE: Final = "(in a dialog)"
"""In place of the URI of a dialog that began before this book."""


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
        "serial",
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
        self.size = _LINE + len(method) + len(uri) + len(sender) + len(call_id)
        self.serial = 0

    @property
    def is_failed(self) -> bool:
        """Whether something went wrong, at first or later."""
        is_refused = self.status >= 400 and self.status not in _NO_FAILURE
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
            "method": _text(self.method),
            "from": self.who,
            "request_uri": _text(masked_uri(self.uri)),
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
            "call_id": _text(self.call_id),
        }

    def _why(self) -> str:
        """What our answer said, and which rule refused."""
        said = _said(self.reason)
        rule = ""
        if self.status >= 400 and not self.attempts:
            rule = refused_by(self.rule, self.status)
        return "; ".join(filter(None, (rule, said)))


class Book:
    """At most ``count`` lines, and ``EACH`` bytes times that."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.size = 0
        self.lines: deque[Line] = deque()
        self._by_call: dict[bytes, Line] = {}
        self._serial = 0

    def add(self, record: Finished, at: float) -> Line:
        """A request outside a dialog has ended; ``at`` is wall-clock seconds."""
        request, source = record.request, record.source
        ends = source.ends
        line = Line(
            at,
            request.method,
            request.uri,
            request.lines[request.index["from"]],
            call_id_in(request),
            source.both_ends() if ends is None else ends,
            record.status,
            record.seconds,
            record.rule,
            record.endpoint,
            record.pool,
            record.attempts,
        )
        if record.status >= 400:
            line.cseq = request.lines[request.index["cseq"]]
            line.size += len(line.cseq)
        return self._write(line)

    def add_all(self, group: Group, watched: dict[bytes, float], tape: Tape) -> Group:
        """Add several; returns those that may be worth keeping: what failed, what was
        slow or tried twice, and what belongs to a call that is watched.

        ``tape`` is told which calls have their final answer."""
        notable: Group = []
        for each in group:
            record, at = each
            line = self.add(record, at)
            if line.method == b"INVITE":
                tape.answered(line.call_id)
            if (
                record.status >= 400
                or record.seconds >= SLOW
                or len(record.attempts) > 1
                or (watched and line.call_id in watched)
            ):
                notable.append(each)
        return notable

    def knows(self, call_id: bytes) -> bool:
        """Whether a line has this Call-ID."""
        return call_id in self._by_call

    def seen(self, sight: Taped, offset: float) -> None:
        """Note what the tape saw in a dialog; ``offset`` makes wall-clock time."""
        line = self._by_call.get(sight.call_id)
        at = sight.at + offset
        if not sight.is_in:
            self._failed(sight, line, at)
        elif line is not None and not line.ended:
            caller = line.ends.host, line.ends.port
            who = "caller" if (sight.ends.host, sight.ends.port) == caller else "callee"
            how = "BYE" if sight.data.startswith(b"BYE ") else "NOTIFY"
            line.ended, line.ended_at = f"{how} from the {who}", at

    def _failed(self, sight: Taped, line: Line | None, at: float) -> None:
        digits = sight.data[8:11]
        status = int(digits) if digits.isdigit() else 0
        method = cseq_method_of(sight.data)
        reason = reason_of(sight.data)
        if line is not None and (
            line.status == status
            and line.method == method
            and (
                (abs(line.at - at) < _SAME and not line.failures)
                # Over UDP it goes out again and again until the ACK, which a legacy
                # client never sends.
                or answers(line.cseq, sight.data)
            )
        ):
            # The line has this answer already, from its access record.
            if not line.reason:
                line.reason = reason
                self._grow(line, len(reason))
            return
        if status in _NO_FAILURE or not sight.call_id:
            return
        if line is not None and len(line.failures or ()) >= MOST_FAILURES:
            return
        failure = Failure(at, status, _text(method), _said(reason))
        if line is None:
            # Its dialog began before this book, or before this process.
            sender = header_of(sight.data, b"from", b"f")
            call_id, ends = sight.call_id, sight.ends
            line = Line(
                *(at, method, INSIDE.encode(), b"From: " + sender, call_id, ends),
                *(status, 0.0, "", "", "", ()),
            )
            line.reason = reason
            line.failures = [failure]
            line.size += len(reason) + failure.size
            self._write(line)
            return
        if line.failures is None:
            line.failures = []
        line.failures.append(failure)
        self._grow(line, failure.size)

    def _write(self, line: Line) -> Line:
        self._serial += 1
        line.serial = self._serial
        self.lines.append(line)
        self._by_call[line.call_id] = line
        self.size += line.size
        self._shrink()
        return line

    def _grow(self, line: Line, by: int) -> None:
        line.size += by
        self.size += by
        self._shrink()

    def _shrink(self) -> None:
        """Drop the oldest lines until both bounds hold."""
        lines = self.lines
        while len(lines) > self.count or (self.size > self.count * EACH and lines):
            gone = lines.popleft()
            self.size -= gone.size
            if self._by_call.get(gone.call_id) is gone:
                del self._by_call[gone.call_id]

    def find(
        self,
        *,
        aor: str = "",
        endpoint: str = "",
        failed: bool = False,
        since: float = 0.0,
        until: float = float("inf"),
    ) -> Iterator[Line]:
        """Lines that fit, the newest first; ``aor`` may be a user without a host."""
        aor, endpoint = plain_address(aor), plain_address(endpoint)
        for line in reversed(self.lines):
            if not since <= line.at <= until:
                continue
            if failed and not line.is_failed:
                continue
            if endpoint and not fits(endpoint, line.endpoint):
                continue
            if aor and not (fits(aor, line.who) or fits(aor, dialled(line.uri))):
                continue
            yield line


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


def _said(reason: bytes) -> str:
    """A reason as it may be shown; one of full length was most likely cut."""
    return _text(masked_start(reason, MOST_REASON - 1))


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


def _text(data: bytes) -> str:
    return visible(data.decode("utf-8", "replace"))
