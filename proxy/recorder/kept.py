"""Calls that are kept: their messages, masked, and what we know about them.

Bounded by bytes.  Requests that we refused without trying a front end have a quarter of
the room and no more: anybody can send them, and a scan must not push out the call that
matters.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from proxy.recorder.chunk import Taped
from proxy.recorder.line import attempts_as_json, header_of
from proxy.recorder.masking import body_mask, masked_head
from proxy.sip.display import visible
from proxy.sip.host import host_port

_EACH: Final = 400
"""What a kept message, or a fact, takes besides its bytes."""
_EACH_ATTEMPT: Final = 120
MOST_FACTS: Final = 8
"""Facts about one call, and reasons to keep it."""
MOST_MESSAGES: Final = 2000
"""Messages of one call: a dialog that goes on for days keeps its beginning."""


@dataclass(slots=True)
class KeptMessage:
    """One message; ``at`` is seconds since the epoch, ``serial`` grows with each."""

    serial: int
    at: float
    is_in: bool
    transport: str
    local: str
    peer_host: str
    peer_port: int
    connection: int
    head: bytes
    body_size: int
    body: bytes

    @property
    def size(self) -> int:
        """Bytes that this takes."""
        return len(self.head) + len(self.body) + _EACH

    def to_json(self, *, bodies: bool = False) -> dict[str, Any]:
        """As plain types; ``data`` is the message, a character for each byte."""
        body = self.body if bodies and self.body else None
        shown = body_mask(self.head, self.body_size) if body is None else body
        return {
            "serial": self.serial,
            "at": self.at,
            "direction": "in" if self.is_in else "out",
            "transport": self.transport,
            "local": self.local,
            "peer": host_port(self.peer_host, self.peer_port),
            "connection": self.connection,
            "body_bytes": self.body_size,
            "data": (self.head + shown).decode("latin-1"),
        }


@dataclass(slots=True)
class Fact:
    """What became of one request of a call; only we know it, no message says it."""

    at: float
    method: str
    request_uri: str
    status: int
    seconds: float
    rule: str
    endpoint: str
    pool: str
    attempts: list[tuple[str, str, float]]

    @property
    def size(self) -> int:
        """Bytes that this takes."""
        tried = _EACH_ATTEMPT * len(self.attempts)
        return _EACH + len(self.method) + len(self.request_uri) + tried

    def to_json(self) -> dict[str, Any]:
        """As plain types."""
        return {
            "at": self.at,
            "method": self.method,
            "request_uri": self.request_uri,
            "status": self.status,
            "seconds": round(self.seconds, 4),
            "rule": self.rule,
            "endpoint": self.endpoint,
            "pool": self.pool,
            "attempts": attempts_as_json(self.attempts),
        }


@dataclass(slots=True)
class KeptCall:
    """A call; ``why`` are the reasons to keep it, ``live`` the live traces it fits.

    ``is_refused``: no front end was tried for any of its requests.
    """

    call_id: bytes
    why: list[str]
    is_refused: bool
    messages: list[KeptMessage] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    live: set[str] = field(default_factory=set)
    size: int = 0

    @property
    def last_at(self) -> float:
        """When the last message was seen."""
        return self.messages[-1].at if self.messages else 0.0

    def to_json(
        self, names: dict[str, str], *, bodies: bool = False, after: float = 0.0
    ) -> dict[str, Any]:
        """As plain types; ``names`` are those of numeric addresses."""
        hosts = {each.peer_host for each in self.messages}
        return {
            "call_id": visible(self.call_id.decode("utf-8", "replace")),
            "why": list(self.why),
            "from": _from_of(self),
            "facts": [each.to_json() for each in self.facts],
            "names": {host: names[host] for host in sorted(hosts & names.keys())},
            "messages": [
                each.to_json(bodies=bodies) for each in self.messages if each.at > after
            ],
        }


def _from_of(call: KeptCall) -> str:
    """Who calls, as the first message says; for display."""
    if not call.messages:
        return ""
    value = header_of(call.messages[0].head, b"from", b"f")
    return visible(value.decode("utf-8", "replace").partition(";tag=")[0])


class Kept:
    """Calls by Call-ID, the oldest first; at most ``limit`` bytes."""

    def __init__(self, limit: int, *, bodies: bool = False) -> None:
        self.limit = limit
        self.bodies = bodies
        self.calls: dict[bytes, KeptCall] = {}
        self.size = 0
        self.refused_size = 0
        self.serial = 0
        self.evicted = 0
        """Calls that went to make room for newer ones."""
        self.tell: Callable[[KeptMessage, bytes], None] | None = None
        """Told of every message that is kept, with its Call-ID."""

    def open(self, call_id: bytes, why: str, *, is_refused: bool) -> KeptCall:
        """The call of this Call-ID, with one more reason to keep it."""
        call = self.calls.get(call_id)
        if call is None:
            call = self.calls[call_id] = KeptCall(call_id, [], is_refused)
            self._grow(call, len(call_id) + _EACH)
        elif call.is_refused and not is_refused:
            call.is_refused = False
            self.refused_size -= call.size
        if why not in call.why and len(call.why) < MOST_FACTS:
            call.why.append(why)
        return call

    def add(self, taped: Taped, offset: float) -> KeptMessage | None:
        """Keep a message of a call that is open; ``offset`` makes wall-clock time."""
        call = self.calls.get(taped.call_id)
        if call is None or len(call.messages) >= MOST_MESSAGES:
            return None
        ends = taped.ends
        head, body = masked_head(taped.data)
        self.serial += 1
        host = ends.listener.host
        message = KeptMessage(
            self.serial,
            taped.at + offset,
            taped.is_in,
            ends.transport,
            host_port(host, ends.listener.port),
            ends.host,
            ends.port,
            ends.connection_id,
            head,
            len(body),
            body if self.bodies else b"",
        )
        call.messages.append(message)
        self._grow(call, message.size)
        if self.tell is not None:
            self.tell(message, call.call_id)
        return message

    def note(self, call_id: bytes, fact: Fact) -> None:
        """Keep what became of a request, if its call is kept."""
        call = self.calls.get(call_id)
        if call is not None and len(call.facts) < MOST_FACTS:
            call.facts.append(fact)
            self._grow(call, fact.size)

    def shrink(self) -> list[bytes]:
        """Give up the oldest calls until the bounds hold; returns their Call-IDs.

        Refused calls go first while they take more than their quarter.
        """
        gone = []
        while self.refused_size > self.limit // 4:
            oldest = next(x for x in self.calls.values() if x.is_refused)
            gone.append(self._give_up(oldest))
        while self.size > self.limit and self.calls:
            gone.append(self._give_up(next(iter(self.calls.values()))))
        return gone

    def clear(self) -> None:
        """Forget everything."""
        self.calls.clear()
        self.size = self.refused_size = 0

    def failed(self) -> Iterator[KeptCall]:
        """Calls that have a reason to be kept besides a live trace."""
        return (x for x in self.calls.values() if any(w != "live" for w in x.why))

    def _grow(self, call: KeptCall, by: int) -> None:
        call.size += by
        self.size += by
        if call.is_refused:
            self.refused_size += by

    def _give_up(self, call: KeptCall) -> bytes:
        del self.calls[call.call_id]
        self.size -= call.size
        if call.is_refused:
            self.refused_size -= call.size
        self.evicted += 1
        return call.call_id
