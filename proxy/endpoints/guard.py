"""The guard of a cutover: what counts as a failure of the new pool, and when there are
too many.

Every process counts the requests to switched endpoints that it has sent to the new
pool; the store adds up the counts of all (decision 104).  Pure.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from proxy.endpoints.address import Refused
from proxy.endpoints.callers import (
    FAILED_FOR,
    OTHERS_SERVED,
    SERVED_TO,
    Marks,
    TopCaller,
    bucket_of_caller,
)
from proxy.endpoints.model import Cutover, Guard, Uptime
from proxy.endpoints.usage_book import COUNTED, DOCTOR
from proxy.sip.finished import Group
from proxy.sip.message import Request

# Names of counts in the store; a cause or a pool follows where one ends in a blank.
SERVED: Final = "served"
FAILED: Final = "failed "
REFUSED: Final = "refused "
DIALOG: Final = "in-dialog "
PROBE: Final = "probe "
PROBED: Final = "probed "
UNPROBED: Final = "unprobed "
"""Rounds of chat probes that tried a front end of a new pool, and that found none."""
MOST_DIALOGS: Final = 10_000
_ROUNDS: Final = (PROBED, UNPROBED)
_CHALLENGES: Final = frozenset({401, 407})
CALLERS: Final = frozenset({501, 505, 513})
"""5xx that speak of what the caller sent, outside dialogs and inside."""
_LIMIT: Final = re.compile(r"(\d{1,3}(?:\.\d{1,3})?)\s*%?")
_SPAN: Final = re.compile(r"(\d{1,6})\s*([smhd]?)")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "": 60}
LONGEST: Final = 30 * 86_400.0
WINDOW: Final = 300.0
SAMPLE: Final = 5.0
HANDFUL: Final = 5
"""Failures below which a share of the last ``WINDOW`` seconds may be chance; sums are
remembered every ``SAMPLE`` seconds."""
LATELY: Final = "in the last 5 min "
PATIENCE: Final = 2.5
"""Seconds for which others may yet show that one caller alone is to blame.  They are
part of the five in which the old table must be back."""
Blame = Literal["pool", "one caller", "in doubt"]


class Counted(Protocol):
    """What the core tells of one finished request; ``sip.finished.Finished``."""

    request: Request
    status: int
    seconds: float
    rule: str
    endpoint: str
    pool: str
    attempts: Sequence[tuple[str, str, float]]


def parse_limit(text: str) -> float:
    """``5 %`` as 5.0; raises Refused."""
    found = _LIMIT.fullmatch(text.strip())
    limit = float(found[1]) if found else -1.0
    if not 0 <= limit < 100:
        raise Refused(
            f'"{text}" is no share of failures: write --guard "5 %", below 100 %'
        )
    return limit


def parse_span(text: str) -> float:
    """``30m``, ``2h``, ``90s`` or minutes, in seconds; raises Refused."""
    found = _SPAN.fullmatch(text.strip())
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not 0 < seconds <= LONGEST:
        raise Refused(
            f'"{text}" is no time for a guard: write --for 30m, 90s or 2h, at most 30d'
        )
    return seconds


def is_guarded(cutover: Cutover | None, now: float, uptime: Uptime) -> bool:
    """True while its guard may roll it back."""
    return (
        cutover is not None
        and cutover.state == "applied"
        and cutover.guard is not None
        and cutover.guard.left(now, uptime) > 0
    )


# -- what is counted -----------------------------------------------------------------


def verdict_on(record: Counted, patience: float) -> str:
    """What a finished request says of the pool; empty: nothing.

    A caller that hung up after more than ``patience`` seconds has waited in vain.
    """
    status = record.status
    if 200 <= status < 300:
        return SERVED
    if status in _CHALLENGES:
        return ""
    if status == 487:
        return f"{FAILED}given-up" if record.seconds >= patience else ""
    if status == 408 or (500 <= status < 600 and status not in CALLERS):
        outcome = record.attempts[-1][1] if record.attempts else str(status)
        if outcome == "limit":  # we had no descriptor left
            return ""
        return FAILED + (outcome.replace(" ", "-")[:32] or str(status))
    return f"{REFUSED}{status}"


class GuardBook:
    """Counts until somebody takes the counts away to save them.

    ``armed`` says which cutover is guarded at this moment, if any.  One failure of each
    dialog counts: a client that goes on asking in a dead dialog tells nothing new.
    """

    __slots__ = (
        *("_armed", "_callers", "_counts", "_dialogs", "_number", "_pools"),
        "patience",
    )

    def __init__(
        self, armed: Callable[[], Cutover | None], patience: float = 4.0
    ) -> None:
        self._armed = armed
        self.patience = patience
        self._number = 0
        self._pools: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._dialogs: set[bytes] = set()
        self._callers: dict[bytes, str] = {}  # by the Call-IDs of served calls

    def turn(self) -> None:
        """Turn to the cutover that is guarded now; for another one count from zero."""
        cutover = self._armed()
        number = 0 if cutover is None else cutover.number
        if number == self._number:
            return
        self._number = number
        self._counts.clear()
        self._dialogs.clear()
        self._callers.clear()
        switches = () if cutover is None else cutover.switches
        # The new pool: the last one is the canary's, where there is one.
        self._pools = {each.after.key: each.after.pools[-1] for each in switches}

    def count(self, record: Counted, at: float) -> None:
        """Take a finished request outside dialogs into account."""
        self.turn()
        if not self._number or record.request.method not in COUNTED:
            return
        if record.rule not in ("endpoint", "learned"):
            return
        if self._pools.get(record.endpoint) != record.pool.lower():
            return  # it went to another pool, such as the old one of a canary
        aor = record.request.from_aor()
        what = verdict_on(record, self.patience)
        if not what or aor.startswith(f"{DOCTOR}@"):
            return
        self._counts[what] += 1
        caller = bucket_of_caller(aor)
        if what == SERVED:
            self._counts[f"{caller} {SERVED_TO}"] += 1
            if len(self._callers) < MOST_DIALOGS:
                self._callers[record.request.value("call-id") or b""] = caller
        elif what.startswith(FAILED):
            self._counts[f"{caller} {FAILED_FOR}"] += 1

    def count_all(self, group: Group) -> None:
        """Count several; returns at once while nothing is guarded."""
        self.turn()
        if self._number:
            for record, at in group:
                self.count(record, at)

    def count_in_dialog(
        self, endpoint: str, pool: str, status: int, call_id: bytes
    ) -> None:
        """Count a request inside a dialog that the pool has failed or not answered."""
        self.turn()
        if self._pools.get(endpoint) != pool.lower() or call_id in self._dialogs:
            return
        if len(self._dialogs) < MOST_DIALOGS:
            self._dialogs.add(call_id)
        self._counts[f"{FAILED}{DIALOG}{status}"] += 1
        caller = self._callers.get(call_id)
        if caller is not None:
            self._counts[f"{caller} {FAILED_FOR}"] += 1

    def count_probe(self, step: str) -> None:
        """Count a chat probe of ours; ``step`` is the one that broke, or empty."""
        self.turn()
        if self._number:
            self._counts[f"{FAILED}{PROBE}{step}" if step else SERVED] += 1

    def count_round(self, pool: str, is_tried: bool) -> None:
        """Count a round of chat probes; ``is_tried``: it tried a front end of the pool.

        A round without one is no call: it tells nothing of the pool, good or bad.
        """
        self.turn()
        if self._number:
            self._counts[f"{PROBED if is_tried else UNPROBED}{pool}"] += 1

    @property
    def pools(self) -> frozenset[str]:
        """The new pools."""
        return frozenset(self._pools.values())

    def take(self) -> tuple[int, dict[str, int]]:
        """The cutover, and what was counted for it since the last time."""
        counts, self._counts = dict(self._counts), Counter()
        return self._number, counts


# -- when it is too much -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tally:
    """The counts of all processes, summed up.

    ``refused`` are answers such as 403 and 404: as long as others are served they are
    the caller's matter, and when nobody is served they are the pool's.  ``causes``
    says how often which failure.  ``rounds`` are those of chat probes by new pool: how
    many tried a front end of it, and how many found none to try.  ``of_one`` are the
    failures of the caller who has most.
    """

    served: int
    failed: int
    refused: int
    causes: Mapping[str, int]
    rounds: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    of_one: int = 0

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> "Tally":
        """The tally of the counts that the store has."""
        served = counts.get(SERVED, 0)
        failed = {k[len(FAILED) :]: n for k, n in counts.items() if k[:7] == FAILED}
        refused = {k[len(REFUSED) :]: n for k, n in counts.items() if k[:8] == REFUSED}
        causes = {**failed, **refused} if not served else failed
        bad = sum(failed.values()), sum(refused.values())
        top = TopCaller.of(counts)
        of_one = top.failed if top else 0
        return cls(served, *bad, causes, _rounds(counts), of_one)

    @property
    def calls(self) -> int:
        """All that were counted."""
        return self.served + self.failed + self.refused

    @property
    def bad(self) -> int:
        """Those that are the pool's fault."""
        return self.failed + (0 if self.served else self.refused)

    @property
    def share(self) -> float:
        """How many percent of all calls these are."""
        return 100 * self.bad / self.calls if self.calls else 0.0

    def is_too_much(self, guard: Guard) -> bool:
        """Whether more are bad than the guard allows, once there are enough calls."""
        return self.calls >= guard.least and 100 * self.bad > guard.limit * self.calls

    def __str__(self) -> str:
        most = sorted(self.causes.items(), key=lambda item: (-item[1], item[0]))[:4]
        why = ", ".join(f"{cause} ({count})" for cause, count in most)
        text = f"{self.bad} of {self.calls} calls failed ({self.share:.1f} %)"
        if not self.bad:
            return text
        many = self.of_one >= HANDFUL and 2 * self.of_one > self.bad
        return f"{text}: {why}{f', {self.of_one} of one caller' if many else ''}"


def _rounds(counts: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Rounds of chat probes by pool: with a front end to try, and without."""
    pools = {what.partition(" ")[2] for what in counts if what.startswith(_ROUNDS)}
    return {
        pool: (counts.get(PROBED + pool, 0), counts.get(UNPROBED + pool, 0))
        for pool in sorted(pools)
    }


def reason_for(tally: Tally, guard: Guard, since: str = "") -> str:
    """Why the cutover is rolled back, with the numbers."""
    return f"{since}{tally}; the limit is {guard.limit:g} % of at least {guard.least}"


class Recent:
    """The last minutes of a guard, so that a pool that served thousands and breaks is
    found as fast as one that never served.

    Few calls make any share by chance, so a handful of failures is asked for as well.
    Call ``note`` now and then with what the store has; instants are of a steady clock.
    """

    __slots__ = ("_doubtful_since", "_marks", "_number", "_samples")

    def __init__(self) -> None:
        self._number = 0
        self._doubtful_since: float | None = None
        self._marks = Marks()
        self._samples: list[tuple[float, Mapping[str, int]]] = []

    def note(self, number: int, counts: Mapping[str, int], now: float) -> Tally:
        """Take the sums of a cutover; the tally of what came in the last minutes."""
        if number != self._number:
            self._number, self._samples = number, []
            self._marks, self._doubtful_since = Marks(), None
        self._marks.note(counts, counts.get(SERVED, 0))
        samples = self._samples
        if not samples or now - samples[-1][0] >= SAMPLE:
            samples.append((now, dict(counts)))
        while len(samples) > 1 and samples[1][0] <= now - WINDOW:
            del samples[0]
        return Tally.of(self.lately(counts))

    def lately(self, counts: Mapping[str, int]) -> dict[str, int]:
        """What of the sum came in the last minutes."""
        before = self._samples[0][1] if self._samples else {}
        return {k: n - before.get(k, 0) for k, n in counts.items()}

    def judge(self, counts: Mapping[str, int], guard: Guard, now: float) -> str:
        """Why to roll back, with the numbers; empty: not now.

        ``counts`` are those of the last ``note``.  A burst of failures of one caller is
        not believed at once: it may be over before anybody else could be served, so we
        wait ``PATIENCE`` seconds for what comes next (decision 138).
        """
        lately = self.lately(counts)
        reason, is_in_doubt = "", False
        for some, since in ((counts, ""), (lately, LATELY)):
            tally = Tally.of(some)
            if not (self.is_too_much if since else Tally.is_too_much)(tally, guard):
                continue
            blame = self._blame(some, counts, guard)
            if blame == "pool":
                return reason_for(tally, guard, since)
            if blame == "in doubt":
                reason, is_in_doubt = reason or reason_for(tally, guard, since), True
        if not is_in_doubt:
            self._doubtful_since = None
        elif self._doubtful_since is None:
            self._doubtful_since = now
        elif now - self._doubtful_since >= PATIENCE:
            return reason
        return ""

    def _blame(
        self, some: Mapping[str, int], counts: Mapping[str, int], guard: Guard
    ) -> Blame:
        """Who is to blame for too many failures among ``some``: all that were counted,
        or those of the last minutes.

        It is one caller when the others are within the limit without it, and were
        served while it failed.  A caller who is alone is believed.
        """
        top = TopCaller.of(some)
        if top is None:
            return "pool"
        tally = Tally.of(some)
        served, failed = tally.served - top.served, tally.failed - top.failed
        if not served or 100 * failed > guard.limit * (served + failed):
            return "pool"
        others = counts.get(SERVED, 0) - counts.get(f"{top.bucket} {SERVED_TO}", 0)
        ever = counts.get(f"{top.bucket} {FAILED_FOR}", 0)
        meanwhile = self._marks.served_meanwhile(top, ever, others)
        return "one caller" if meanwhile >= OTHERS_SERVED else "in doubt"

    @staticmethod
    def is_too_much(tally: Tally, guard: Guard) -> bool:
        """More failures of late than the guard allows, and no accident."""
        return (
            tally.failed >= HANDFUL
            and tally.calls >= guard.least
            and 100 * tally.failed > guard.limit * tally.calls
        )
