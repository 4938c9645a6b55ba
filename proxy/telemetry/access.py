"""Access lines: one per out-of-dialog request, written in batches.

The core hands over requests as it finishes them.  A few times a second, off the message
path, we read their fields, put them into words and write them, all together.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring as quoted
from typing import Final, Protocol, TextIO

from proxy.sip.display import visible
from proxy.sip.finished import Finished, Group
from proxy.sip.flow import Flow
from proxy.sip.host import host_port
from proxy.sip.masking import masked_start
from proxy.telemetry.outlet import outlet_of
from proxy.telemetry.recent import RecentCalls
from proxy.telemetry.tally import AccessTally

MAX_PENDING = 20_000
"""Lines kept while nothing can be written; more are counted and dropped."""


READ_AT_ONCE: Final = 16 * 1024
"""Bytes of one write where we are the only writer."""
MOST_URI: Final = 1024
"""Bytes of a Request-URI in a line.  We serve no longer one (``sip.limits``), and to
search a longer one for secrets would cost more than to refuse the request."""
_MOST_WORDS: Final = 1024
_LONGEST_WORD: Final = 128
"""Pieces of lines that are remembered, and bytes of one."""
_wheres: Final[dict[tuple[str, str, str], str]] = {}
_uris: Final[dict[bytes, str]] = {}
SOON: Final = 32
"""When so many lines wait they are written, before the next regular flush."""


class Counting(Protocol):
    """What takes every finished request: ledger, recorder."""

    def count_all(self, group: Group) -> None:
        """Take finished requests into account."""


class PoolFailure(Protocol):
    """A failure inside a dialog; ``core.commands.NotePoolFailure``."""

    endpoint_key: str
    pool_fqdn: str
    status: int
    call_id: bytes
    host: str


class Guarding(Counting, Protocol):
    """What a cutover is judged by; ``endpoints.guard.GuardBook``."""

    def count_in_dialog(
        self, endpoint: str, pool: str, status: int, call_id: bytes
    ) -> None:
        """Take a failure inside a dialog into account."""


def describe_attempts(attempts: Sequence[tuple[str, str, float]]) -> str:
    """``fe1 connect-timeout 2.0s → fe2 200 41ms``."""
    return " → ".join([f"{n} {outcome} {_duration(s)}" for n, outcome, s in attempts])


def _duration(seconds: float) -> str:
    return f"{seconds:.1f}s" if seconds >= 1 else f"{int(seconds * 1000 + 0.5)}ms"


def access_fields(record: Finished, at: float) -> dict[str, object]:
    """The keys of one line, in order; ``at`` is seconds since the epoch."""
    request, source = record.request, record.source
    fields: dict[str, object] = {
        "timestamp": _timestamp(at),
        "event": "request.finished",
        "method": _text(request.method),
        "request_uri": _text(masked_start(request.uri, MOST_URI)),
        "status": record.status,
        "ms": _tenths(record.seconds) / 10,
        "source": _place(source),
        "aor": request.from_aor(),
        "call_id": _text(request.value("call-id") or b""),
    }
    if record.rule:
        fields["rule"] = record.rule
    if record.endpoint:
        fields["endpoint"] = record.endpoint
    if record.pool:
        fields["pool"] = record.pool
    if record.attempts:
        fields["attempts"] = describe_attempts(record.attempts)
    return fields


def json_line(record: Finished, at: float) -> str:
    """``access_fields`` as one line of JSON, written directly: a dictionary and the
    encoder cost four times as much."""
    request, source = record.request, record.source
    tenths = _tenths(record.seconds)
    attempts = record.attempts
    tried = f', "attempts": {quoted(describe_attempts(attempts))}' if attempts else ""
    return (
        f'{{"timestamp": "{_timestamp(at)}", "event": "request.finished", '
        f'"method": {quoted(_text(request.method))}, '
        f'"request_uri": {_uri(request.uri)}, "status": {record.status}, '
        f'"ms": {tenths // 10}.{tenths % 10}, '
        f'"source": {quoted(_place(source))}, '
        f'"aor": {quoted(request.from_aor())}, '
        f'"call_id": {quoted(_text(request.value("call-id") or b""))}'
        f"{_where(record.rule, record.endpoint, record.pool)}{tried}}}\n"
    )


def _place(source: Flow) -> str:
    return f"{source.transport}:{host_port(source.host, source.port)}"


def _where(rule: str, endpoint: str, pool: str) -> str:
    key = rule, endpoint, pool
    found = _wheres.get(key)
    if found is None:
        found = f', "rule": {quoted(rule)}' if rule else ""
        if endpoint:
            found += f', "endpoint": {quoted(endpoint)}'
        if pool:
            found += f', "pool": {quoted(pool)}'
        if len(_wheres) >= _MOST_WORDS:
            _wheres.clear()
        _wheres[key] = found
    return found


def _uri(uri: bytes) -> str:
    found = _uris.get(uri)
    if found is None:
        found = quoted(_text(masked_start(uri, MOST_URI)))
        if len(uri) <= _LONGEST_WORD:
            if len(_uris) >= _MOST_WORDS:
                _uris.clear()
            _uris[uri] = found
    return found


def _tenths(seconds: float) -> int:
    return int(seconds * 10_000 + 0.5)


def _timestamp(at: float) -> str:
    milliseconds = 1000 + int(at % 1 * 1000)
    return f"{_second(int(at))}.{str(milliseconds)[1:]}+00:00"


@lru_cache(maxsize=4)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _text(value: bytes) -> str:
    return visible(value.decode("utf-8", "replace"))


class AccessLog:
    """Collects records and writes them, as JSON or ``key=value`` lines.

    ``tally``, ``recent``, ``ledger`` and ``recorder`` get every record, whether
    ``writes`` is on or off.  ``piece`` is the most bytes of one write where several
    processes write into one pipe, because the kernel may mix longer writes; 0 where we
    are alone.
    """

    __slots__ = (
        "_pending",
        "console",
        "dropped",
        "guard",
        "ledger",
        "outlet",
        "piece",
        "recent",
        "recorder",
        "tally",
        "writes",
        "written",
    )

    def __init__(
        self, stream: TextIO, console: bool, tally: AccessTally | None = None
    ) -> None:
        self.outlet = outlet_of(stream)
        self.console = console
        self.tally = tally
        self.ledger: Counting | None = None
        self.guard: Guarding | None = None
        self.recorder: Counting | None = None
        self.recent = RecentCalls()
        self.writes = True
        self.piece = 0
        self._pending: Group = []
        self.written = 0
        self.dropped = 0

    def add(self, record: Finished, at: float) -> None:
        """Keep a record for the next ``flush``; ``at`` is wall-clock seconds."""
        pending = self._pending
        if len(pending) >= MAX_PENDING:
            self.dropped += 1
            return
        pending.append((record, at))
        if len(pending) % SOON == 0:
            # Little and often: while we write here, no message is read.
            self.flush()

    def pool_failed(self, failure: PoolFailure, at: float) -> None:
        """Count a failure of a pool inside a dialog, which has no access line; ``at``
        is wall-clock seconds."""
        self.recent.count_in_dialog(failure.pool_fqdn, failure.host, at)
        if self.guard is not None:
            self.guard.count_in_dialog(
                failure.endpoint_key,
                failure.pool_fqdn,
                failure.status,
                failure.call_id,
            )

    def flush(self) -> None:
        """Count everything kept and write it; waits for no reader."""
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        tally, recent = self.tally, self.recent
        for record, at in pending:
            if tally is not None:
                tally.count(record)
            recent.count(record, at)
        if self.ledger is not None:
            self.ledger.count_all(pending)
        if self.guard is not None:
            self.guard.count_all(pending)
        if self.recorder is not None:
            self.recorder.count_all(pending)
        if self.writes:
            self._write(pending)

    def _write(self, pending: Group) -> None:
        most = self.piece or READ_AT_ONCE
        held: list[str] = []
        size = 0
        for record, at in pending:
            if self.console:
                line = _console_line(access_fields(record, at))
            else:
                line = json_line(record, at)
            # One write has whole lines only, as many as fit.
            length = len(line) if line.isascii() else len(line.encode())
            if held and size + length > most:
                self._put(held)
                held, size = [], 0
            held.append(line)
            size += length
        self._put(held)

    def _put(self, lines: list[str]) -> None:
        if self.outlet.put("".join(lines)):
            self.written += len(lines)
        else:
            self.dropped += len(lines)


def _console_line(fields: dict[str, object]) -> str:
    shown = [f"{k}={v}" for k, v in fields.items() if k not in ("timestamp", "event")]
    return f"{fields['timestamp']} {' '.join(shown)}\n"
