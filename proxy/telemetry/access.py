"""Access lines: one per out-of-dialog request, written in batches.

The core hands over requests as it finished them; reading fields, wording and writing
happen a few times a second for all of them together.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Protocol, TextIO

from proxy.sip.display import visible
from proxy.sip.masking import masked_start
from proxy.telemetry.outlet import outlet_of
from proxy.telemetry.recent import RecentCalls
from proxy.telemetry.record import AccessRecord
from proxy.telemetry.tally import AccessTally

MAX_PENDING = 20_000
"""Lines kept while nothing can be written; more are counted and dropped."""


READ_AT_ONCE: Final = 16 * 1024
"""Bytes of one write where we are the only writer."""
MOST_URI: Final = 1024
"""Bytes of a Request-URI: no longer one is served (``sip.limits``), and to look for
secrets in what a stranger made longer would cost more than to refuse it."""
SOON: Final = 32
"""Lines that are written without waiting for the next regular flush."""


class Ledger(Protocol):
    """Who used an endpoint; ``endpoints.usage.UsageBook``."""

    def count(self, record: AccessRecord, at: float) -> None:
        """Take a finished request into account; ``at`` is wall-clock seconds."""


class PoolFailure(Protocol):
    """A failure inside a dialog; ``core.commands.NotePoolFailure``."""

    endpoint_key: str
    pool_fqdn: str
    status: int
    call_id: bytes
    host: str


class Guarding(Ledger, Protocol):
    """What a cutover is judged by; ``endpoints.guard.GuardBook``."""

    def count_in_dialog(
        self, endpoint: str, pool: str, status: int, call_id: bytes
    ) -> None:
        """Take a failure inside a dialog into account."""


def describe_attempts(attempts: Sequence[tuple[str, str, float]]) -> str:
    """``fe1 connect-timeout 2.0s → fe2 200 41ms``."""
    return " → ".join(f"{n} {outcome} {_duration(s)}" for n, outcome, s in attempts)


def _duration(seconds: float) -> str:
    return f"{seconds:.1f}s" if seconds >= 1 else f"{seconds * 1000:.0f}ms"


def access_fields(record: AccessRecord, at: float) -> dict[str, object]:
    """The keys of one line, in order; ``at`` is seconds since the epoch."""
    request = record.request
    text = _text
    fields: dict[str, object] = {
        "timestamp": f"{_second(int(at))}.{int(at % 1 * 1000):03d}+00:00",
        "event": "request.finished",
        "method": text(request.method),
        "request_uri": text(masked_start(request.uri, MOST_URI)),
        "status": record.status,
        "ms": round(record.seconds * 1000, 1),
        "source": f"{record.source.transport}:{record.source.host}:"
        f"{record.source.port}",
        "aor": request.from_aor(),
        "call_id": text(request.value("call-id") or b""),
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


@lru_cache(maxsize=4)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _text(value: bytes) -> str:
    return visible(value.decode("utf-8", "replace"))


class AccessLog:
    """Collects records and writes them, as JSON or ``key=value`` lines.

    ``tally``, ``recent``, ``ledger`` and ``recorder`` get every record, whether
    ``writes`` is on or off.  ``piece`` is the most bytes of one write: several
    processes that write into one pipe would tear longer ones apart.
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
        self.ledger: Ledger | None = None
        self.guard: Guarding | None = None
        self.recorder: Ledger | None = None
        self.recent = RecentCalls()
        self.writes = True
        self.piece = 0
        self._pending: list[tuple[AccessRecord, float]] = []
        self.written = 0
        self.dropped = 0

    def add(self, record: AccessRecord, at: float) -> None:
        """Keep a record for the next ``flush``; ``at`` is wall-clock seconds."""
        pending = self._pending
        if len(pending) >= MAX_PENDING:
            self.dropped += 1
            return
        pending.append((record, at))
        if len(pending) % SOON == 0:
            # Little and often: a long pause here would be a late answer there.
            self.flush()

    def pool_failed(self, failure: PoolFailure, at: float) -> None:
        """A pool has failed inside a dialog, of which there is no line; ``at`` is
        wall-clock seconds."""
        self.recent.count_in_dialog(failure.pool_fqdn, failure.host, at)
        if self.guard is not None:
            self.guard.count_in_dialog(
                failure.endpoint_key,
                failure.pool_fqdn,
                failure.status,
                failure.call_id,
            )

    def flush(self) -> None:
        """Write everything kept, in one write; waits for no reader."""
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        if self.tally is not None:
            for record, _ in pending:
                self.tally.count(record)
        for record, at in pending:
            self.recent.count(record, at)
        if self.ledger is not None:
            for record, at in pending:
                self.ledger.count(record, at)
        if self.guard is not None:
            for record, at in pending:
                self.guard.count(record, at)
        if self.recorder is not None:
            for record, at in pending:
                self.recorder.count(record, at)
        if not self.writes:
            return
        line = _console_line if self.console else _json_line
        lines = [line(access_fields(r, at)) for r, at in pending]
        for text in _pieces(lines, self.piece or READ_AT_ONCE):
            if self.outlet.put(text):
                self.written += text.count("\n")
            else:
                self.dropped += text.count("\n")


def _pieces(lines: list[str], most: int) -> Iterator[str]:
    """Whole lines together, up to ``most`` bytes."""
    held: list[str] = []
    size = 0
    for line in lines:
        length = len(line.encode())
        if held and size + length > most:
            yield "".join(held)
            held, size = [], 0
        held.append(line)
        size += length
    if held:
        yield "".join(held)


_encode: Final = json.JSONEncoder(ensure_ascii=False).encode


def _json_line(fields: dict[str, object]) -> str:
    return _encode(fields) + "\n"


def _console_line(fields: dict[str, object]) -> str:
    shown = [f"{k}={v}" for k, v in fields.items() if k not in ("timestamp", "event")]
    return f"{fields['timestamp']} {' '.join(shown)}\n"
