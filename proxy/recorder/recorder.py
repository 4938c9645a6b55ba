"""The recorder: decides which calls are worth keeping, and takes them off the tape.

The recorder is told of every finished request (``count_all``, off the message path) and
looks at the tape a few times a second (decision 98).  It keeps a call that failed (a
final answer of 400 or more that is no challenge and no answer to the caller's own
CANCEL), that needed a second front end, in whose dialog something failed, or that is
among the slowest.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappush, heappushpop
from typing import Any, Final

from proxy.recorder import allowance
from proxy.recorder.allowance import LOOK, Allowance, some_of
from proxy.recorder.book import SLOW, Book
from proxy.recorder.chunk import Taped
from proxy.recorder.kept import MOST_FACTS, Fact, Kept, KeptCall
from proxy.recorder.line import aor_of_line, call_id_in, fits, header_of
from proxy.recorder.live import MOST_LIVE, Filter, FilterError, Live
from proxy.recorder.tape import Tape
from proxy.sip.display import visible
from proxy.sip.finished import Finished, Group
from proxy.sip.masking import masked_uri

__all__ = ["LOOK", "MEGABYTE", "Recorder"]

MEGABYTE: Final = 1024 * 1024
BEFORE: Final = 5.0
BEFORE_REFUSED: Final = 0.3
IN_DIALOG: Final = 60.0
"""Seconds of tape read before a call (its challenge is part of it), before a call that
we sent nowhere, and before a failure inside a dialog."""
WATCHED: Final = 32.0
"""Seconds for which what follows is kept too: as long as a transaction lives."""
MOST_WATCHED: Final = 10_000
"""Calls that are watched at one time: more than can fail within ``WATCHED``."""
SLOWEST: Final = 20
SLOW_FOR: Final = 3600.0
_CHALLENGES: Final = frozenset({401, 407})
_CANCELLED: Final = 487


@dataclass(slots=True)
class _Wanted:
    """Why a call shall be taken off the tape, and what is known of it."""

    why: list[str]
    facts: list[Fact]
    is_refused: bool
    since: float
    """The loop's time from which on its messages are looked for."""
    is_cancel: bool
    """Nothing but 487: worth keeping only if the caller sent no CANCEL."""


def _no_names() -> dict[str, str]:
    return {}


class Recorder:
    """One process's recorder; ``limit`` is bytes, for tape and kept calls together.

    ``offset`` is what the wall clock is ahead of the loop's time, in seconds; ``names``
    gives the names of front ends by their addresses.
    """

    def __init__(
        self,
        limit: int,
        offset: Callable[[], float],
        *,
        calls: int = 10_000,
        bodies: bool = False,
    ) -> None:
        self.book = Book(calls)
        self.tape = Tape(limit // 2)
        self.kept = Kept(limit - limit // 2, bodies=bodies)
        self.names: Callable[[], dict[str, str]] = _no_names
        self.pools: Callable[[], dict[str, str]] = _no_names
        """The pools of front ends, by their addresses."""
        self.live: dict[str, Live] = {}
        self.skipped = 0
        """Calls that were worth keeping, but there were too many at a time."""
        self._offset = offset
        self._room = Allowance()
        self._wanted: dict[bytes, _Wanted] = {}
        self._slowest: list[tuple[float, float]] = []  # seconds, at
        self._watched: dict[bytes, float] = {}
        """Call-IDs of kept calls: until when (loop time) we keep what they say next."""

    # -- what happens ------------------------------------------------------------

    def count_all(self, group: Group) -> None:
        """Requests outside a dialog have ended; each with its wall-clock seconds."""
        for record, at in self.book.add_all(group, self._watched, self.tape):
            status = record.status
            if status >= 400 and status not in _CHALLENGES:
                self._want(record, at, "failed")
            elif len(record.attempts) > 1:
                self._want(record, at, "failover")
            elif record.seconds >= SLOW and self._is_slow(record.seconds, at):
                self._want(record, at, "slow")
            else:
                call_id = call_id_in(record.request)
                if call_id in self._watched:
                    self.kept.note(call_id, _fact(record, at))

    def look(self, now: float) -> None:
        """Take what is wanted off the tape; ``now`` is the loop's time."""
        offset = self._offset()
        self._room.begin(now)
        # Unknown calls have an allowance of their own: a flood of them leaves the
        # known ones theirs.
        room = [self._room.calls, self._room.failures]
        for sight in self.tape.look(now):
            is_known = self.book.knows(sight.call_id)
            room[is_known] -= 1
            if room[is_known] < 0:
                self.skipped += not is_known
                continue
            self.book.failed(sight, offset)
            self._failed_inside(sight)
        self.book.ended_all(self.tape.endings(), offset)
        wanted, self._wanted = self._wanted, {}
        if self.live:
            self._look_live(now)
        if self._watched:
            self._follow(now, wanted)
        if wanted:
            self._take(wanted, now)
        self.tape.forget_fresh()
        for call_id in self.kept.shrink():
            self._watched.pop(call_id, None)

    def _want(self, record: Finished, at: float, why: str) -> None:
        """Ask for a call at the next look; in a crowd only refusals are skipped."""
        call_id = call_id_in(record.request)
        wanted = self._wanted.get(call_id)
        if wanted is None:
            if len(self._wanted) >= allowance.MOST_A_LOOK and not record.attempts:
                self.skipped += 1
                return
            wanted = self._wanted[call_id] = _Wanted([], [], True, math.inf, True)
        if why not in wanted.why:
            wanted.why.append(why)
        if len(wanted.facts) < MOST_FACTS:
            wanted.facts.append(_fact(record, at))
        wanted.is_refused &= not record.attempts
        before = BEFORE if record.attempts else BEFORE_REFUSED
        began = at - self._offset() - record.seconds - before
        wanted.since = min(wanted.since, began)
        wanted.is_cancel &= record.status == _CANCELLED and len(record.attempts) < 2

    def _failed_inside(self, sight: Taped) -> None:
        """Ask for the call of a final answer of 400 or more that we sent.

        ``count_all`` has told of most of them already.
        """
        status = int(sight.data[8:11]) if sight.data[8:11].isdigit() else 0
        if status in _CHALLENGES or not sight.call_id or sight.call_id in self._wanted:
            return
        if len(self._wanted) >= allowance.MOST_A_LOOK:
            return  # ``_want`` has counted most of these as skipped
        self._wanted[sight.call_id] = _Wanted(
            ["failed"], [], False, sight.at - IN_DIALOG, status == _CANCELLED
        )

    def _is_slow(self, seconds: float, at: float) -> bool:
        """Whether this is among the slowest of the last hour."""
        slowest = self._slowest
        if len(slowest) < SLOWEST:
            heappush(slowest, (seconds, at))
            return True
        if seconds > slowest[0][0]:
            heappushpop(slowest, (seconds, at))
            return True
        if slowest[0][1] < at - SLOW_FOR:
            self._slowest = [x for x in slowest if x[1] >= at - SLOW_FOR]
            self._slowest.sort()
        return False

    # -- off the tape ------------------------------------------------------------

    def _take(self, wanted: dict[bytes, _Wanted], now: float) -> None:
        """Take calls off the tape, in one walk along it for all of them."""
        most = self._room.calls
        if len(wanted) > most:
            self.skipped += len(wanted) - most
            # Anybody can cause refusals, so the other calls come first.
            chosen = sorted(wanted, key=lambda x: wanted[x].is_refused)[:most]
            wanted = {call_id: wanted[call_id] for call_id in chosen}
        new = {x for x in wanted if x not in self._watched}
        found: dict[bytes, list[Taped]] = {call_id: [] for call_id in new}
        if new:
            since = min(wanted[x].since for x in new)
            since = self._room.reach(self.tape, since)
            for taped in self.tape.find(new, since=since):
                found[taped.call_id].append(taped)
        room = self._room.messages
        for call_id, each in wanted.items():
            some = some_of(found.get(call_id, []))
            if each.is_cancel and any(
                x.is_in and x.data.startswith(b"CANCEL ") for x in some
            ):
                continue
            if room <= 0:
                self.skipped += 1
                continue
            room -= len(some)
            self._keep(call_id, each, some, now)

    def _keep(
        self, call_id: bytes, wanted: _Wanted, found: list[Taped], now: float
    ) -> None:
        for why in wanted.why:
            call = self.kept.open(call_id, why, is_refused=wanted.is_refused)
        for fact in wanted.facts:
            self.kept.note(call_id, fact)
        self._catch_up(call, found)
        self._watch(call, now + WATCHED)

    def _watch(self, call: KeptCall, until: float) -> None:
        """Keep what this call says until then; when too many are watched, the one that
        was wanted longest ago goes."""
        watched = self._watched
        known = watched.pop(call.call_id, 0.0)
        watched[call.call_id] = max(known, until)
        while len(watched) > MOST_WATCHED:
            del watched[next(iter(watched))]

    def _catch_up(self, call: KeptCall, found: list[Taped]) -> None:
        """Keep what is on the tape and not kept yet."""
        known = call.messages[-1].at if call.messages else 0.0
        offset = self._offset()
        for taped in found:
            if taped.at + offset > known + 1e-6:
                self.kept.add(taped, offset)

    def _follow(self, now: float, wanted: dict[bytes, _Wanted]) -> None:
        """Keep what watched calls have said since the last look."""
        offset = self._offset()
        room, most = self._room.messages, self._room.of_one
        counts: dict[bytes, int] = {}
        for taped in self.tape.find(set(self._watched), fresh=True):
            counts[taped.call_id] = count = counts.get(taped.call_id, 0) + 1
            if count > most:
                continue
            room -= 1
            if room < 0:
                break
            self.kept.add(taped, offset)
        over = [x for x, t in self._watched.items() if t < now and x not in wanted]
        for call_id in over:
            del self._watched[call_id]

    # -- live traces ---------------------------------------------------------------

    def begin(self, name: str, wanted: Filter, seconds: float, now: float) -> None:
        """Start a live trace of so many seconds; raises FilterError."""
        if not wanted:
            raise FilterError("say what to trace: --from, --source, --endpoint, ...")
        if name not in self.live and len(self.live) >= MOST_LIVE:
            raise FilterError(f"{MOST_LIVE} live traces run already: wait for one")
        self.live[name] = Live(name, wanted, now + seconds)

    def end(self, name: str) -> None:
        """Stop a live trace; what it kept stays until the room is needed."""
        self.live.pop(name, None)

    def _look_live(self, now: float) -> None:
        for name in [x.name for x in self.live.values() if x.until < now]:
            del self.live[name]
        pools = self.pools()
        fits: dict[bytes, list[Live]] = {}
        fresh = self.tape.all_fresh() if self.live else []
        for live in self.live.values():
            for taped in fresh:
                if live.takes(taped, pools):
                    fits.setdefault(taped.call_id, []).append(live)
        for call_id, lives in list(fits.items())[: allowance.MOST_A_LOOK]:
            call = self.kept.open(call_id, "live", is_refused=False)
            call.live.update(live.name for live in lives)
            if call_id not in self._watched:
                self._catch_up(call, self.tape.find({call_id}, stale=True))
            self._watch(call, max(live.until for live in lives))

    # -- questions ---------------------------------------------------------------

    def call(self, call_id: str, *, bodies: bool = False) -> list[dict[str, Any]]:
        """The call of this Call-ID, in a list; empty when it is kept nowhere.

        A call that went well can be had as long as the tape has it.
        """
        wanted = call_id.encode("utf-8", "surrogateescape")
        kept = self.kept.calls.get(wanted)
        if kept is None:
            kept = self._peek(wanted)
        names = self.names()
        return [kept.to_json(names, bodies=bodies)] if kept is not None else []

    def find(
        self,
        since: float,
        until: float,
        limit: int,
        *,
        failed: bool = True,
        live: str = "",
        wanted: Filter | None = None,
        after: float = 0.0,
        bodies: bool = False,
    ) -> list[dict[str, Any]]:
        """Kept calls between two instants (seconds since the epoch), the newest first.

        ``failed``: only calls with something wrong; ``live``: only those of this live
        trace; ``wanted``: only those that fit.  ``after``: only messages from later.
        """
        chosen = self.kept.failed() if failed else iter(self.kept.calls.values())
        found = [
            call
            for call in chosen
            if since <= call.last_at <= until
            and (not live or live in call.live)
            and (not wanted or _fits(call, wanted))
        ]
        found.sort(key=lambda call: -call.last_at)
        names = self.names()
        return [
            each.to_json(names, bodies=bodies, after=after) for each in found[:limit]
        ]

    def _peek(self, call_id: bytes) -> KeptCall | None:
        """A call that was not kept, made of what the tape still has."""
        found = self.tape.find({call_id})
        found += self.tape.pending({call_id})
        if not found:
            return None
        aside = Kept(self.kept.limit, bodies=self.kept.bodies)
        call = aside.open(call_id, "asked", is_refused=False)
        offset = self._offset()
        for taped in found:
            aside.add(taped, offset)
        return call


def _fits(call: KeptCall, wanted: Filter) -> bool:
    """Whether a kept call fits, as far as what is kept of it tells."""
    for name, text in wanted.wanted.items():
        if name == "from":
            line = call.messages[0].head if call.messages else b""
            is_fit = fits(text, aor_of_line(b"From: " + header_of(line, b"from", b"f")))
        elif name == "call_id":
            is_fit = call.call_id == text.encode("utf-8", "surrogateescape")
        elif name == "source":
            is_fit = any(
                wanted.is_from(x.peer_host, x.peer_port)
                for x in call.messages[:MOST_FACTS]
                if x.is_in
            )
        elif name == "pool":
            is_fit = any(x.pool == text.lower() for x in call.facts)
        else:
            is_fit = any(fits(text, x.endpoint) for x in call.facts)
        if not is_fit:
            return False
    return True


def _fact(record: Finished, at: float) -> Fact:
    request = record.request
    uri = masked_uri(request.uri).decode("utf-8", "replace")
    return Fact(
        at,
        visible(request.method.decode("utf-8", "replace")),
        visible(uri),
        record.status,
        record.seconds,
        record.rule,
        record.endpoint,
        record.pool,
        [*record.attempts],
    )
