"""Addresses of our domains that nobody serves, and who dials them.

``UnknownBook`` adds up requests that found no endpoint and no user (404) between two
saves.  What is kept is bounded: a stranger may dial any address.  What does not fit is
counted together, under ``NOBODY``.  Pure.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Final

from proxy.endpoints.usage import OTHERS, Usage, merged
from proxy.endpoints.usage_book import COUNTED, is_of_doctor, row_of, shortened
from proxy.sip.display import visible
from proxy.sip.errors import MalformedMessage
from proxy.sip.finished import Finished
from proxy.sip.uri import parse_uri

MAX_UNKNOWN: Final = 10_000
"""Rows in the store, each of less than 1,100 bytes."""
MOST_FRESH: Final = 1_000
"""Rows between two saves."""
LONGEST: Final = 200
"""Bytes of an address: nothing that people dial is longer."""
NOBODY: Final = OTHERS, OTHERS
"""Address and caller of what is counted without a name."""
WORTH: Final = 3600.0
MOST_WORTH: Final = 336
"""A row is kept for its last use, and an hour longer for each of so many requests: what
people dial every day outlasts the addresses that somebody tries once."""
_NOWHERE: Final = 404
_PRESENCE: Final = b"presence"


class UnknownBook:
    """Counts dialled addresses until they are taken away to be saved.

    ``domains`` are those that we serve: what is dialled in others is not counted.
    """

    __slots__ = ("_counts", "domains")

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], Usage] = {}
        self.domains: Collection[str] = ()

    def count(self, record: Finished, at: float) -> None:
        """Take a refused request into account; ``at`` is wall-clock seconds."""
        request = record.request
        if record.status != _NOWHERE or request.method not in COUNTED:
            return
        if request.method == b"SUBSCRIBE" and _is_presence(request.value("event")):
            return  # a client's contact list, which nobody dials (decision 124)
        try:
            uri = parse_uri(request.uri)
        except MalformedMessage:
            return
        aor = shortened(request.from_aor())
        if uri.user is None or uri.host not in self.domains or is_of_doctor(aor):
            return
        row = row_of(visible(uri.key), aor, record, at)
        is_full = len(self._counts) >= MOST_FRESH
        if len(row.endpoint_key.encode("utf-8", "replace")) > LONGEST or (
            is_full and (row.endpoint_key, aor) not in self._counts
        ):
            row = nameless(row)
        key = row.endpoint_key, row.aor
        known = self._counts.get(key)
        self._counts[key] = row if known is None else merged([known], [row])[0]

    def take(self) -> list[Usage]:
        """What was counted since the last time; the book is empty afterwards."""
        counts, self._counts = self._counts, {}
        return list(counts.values())


def _is_presence(event: bytes | None) -> bool:
    """Whether a subscription is one to somebody's presence (RFC 3856)."""
    return event is not None and event.partition(b";")[0].strip().lower() in (
        _PRESENCE,
        b"presence.wpending",
    )


def nameless(row: Usage) -> Usage:
    """The counts of a row, without the names of address and caller."""
    address, aor = NOBODY
    return replace(
        row, endpoint_key=address, aor=aor, user_agent="", epid="", source=""
    )


def worth_of(last_at: float, count: int) -> float:
    """What a row is worth: when there is no room, the lowest goes (decision 124)."""
    return last_at + WORTH * min(count, MOST_WORTH)


def bounded_unknown(rows: Iterable[Usage], most: int) -> list[Usage]:
    """At most so many rows, and one more for what they leave out."""
    named: list[Usage] = []
    others: list[Usage] = []
    for row in rows:
        is_nobody = (row.endpoint_key, row.aor) == NOBODY
        (others if is_nobody else named).append(row)
    if len(named) > most:
        named.sort(key=lambda row: worth_of(row.last_at, row.count))
        gone, named = named[: len(named) - most], named[len(named) - most :]
        others += map(nameless, gone)
    return [*named, *merged((), others)]
