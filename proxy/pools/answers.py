"""DNS answers and how long they hold: one entry per name and record type.

dnspython keeps no stale answers, and its cache costs too much here.  So we keep times
to live ourselves, clamp them, and refresh early.  When DNS fails, we go on with the
last good answer (RFC 8767).  A failure never replaces an answer; "does not exist" does,
once DNS has said so for a while (decision 18).  This module is pure: time is an
argument.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from proxy.pools.srv import NaptrRecord, SrvRecord

RecordType = Literal["SRV", "NAPTR", "A", "AAAA"]
Record = SrvRecord | NaptrRecord | str

MOST_KEPT: Final = 64
"""Records of one answer that are kept: as many as a look-up uses at most."""
MOST_RECORDS: Final = 32_768
"""Records of all answers together, apart from those of pools: some 8 MB."""

# A refresh of one record also asks again for those that are nearly as old.
NEARLY_OLD: Final = 0.7


class Question(NamedTuple):
    """A name (lower case, no final dot) and the type of its records."""

    name: str
    type: RecordType


@dataclass(frozen=True, slots=True)
class DnsLimits:
    """How long answers hold and how many questions run at once; seconds.

    ``budget`` bounds one look-up with all its questions, ``idle`` is how long an unused
    name is still refreshed, ``retry`` the pause after a failed refresh.  ``doubt`` is
    how long we go on with records that disappear all at once: zones are reloaded, and
    servers come up without theirs.
    """

    ttl_floor: float = 5.0
    ttl_ceiling: float = 3600.0
    negative: float = 30.0
    doubt: float = 30.0
    stale: float = 86_400.0
    retry: float = 10.0
    idle: float = 3600.0
    budget: float = 3.0
    max_queries: int = 32
    max_names: int = 1024


class Answer:
    """What is known about one Question; no records means that there are none.

    ``problem`` says why the last query failed, ``failing_since`` since when; both are
    empty while DNS works.  ``absent_since`` is when DNS began to say that there are no
    records, though there were.  ``is_of_pool``: a pool needs it, so it does not go when
    there is no room.
    """

    __slots__ = (
        "absent_since",
        "expires",
        "failing_since",
        "is_of_pool",
        "problem",
        "question",
        "received_at",
        "records",
        "ttl",
    )

    def __init__(
        self, question: Question, records: tuple[Record, ...], ttl: float, now: float
    ) -> None:
        self.question = question
        self.records = records
        self.ttl = ttl
        self.received_at = now
        self.expires = now + ttl
        self.failing_since: float | None = None
        self.absent_since: float | None = None
        self.problem = ""
        self.is_of_pool = False

    def srv(self) -> list[SrvRecord]:
        """The SRV records."""
        return [r for r in self.records if isinstance(r, SrvRecord)]

    def naptr(self) -> list[NaptrRecord]:
        """The NAPTR records."""
        return [r for r in self.records if isinstance(r, NaptrRecord)]

    def addresses(self) -> list[str]:
        """The numeric addresses."""
        return [r for r in self.records if isinstance(r, str)]


class AnswerBook:
    """Every answer that may still be used."""

    __slots__ = ("_answers", "_limits", "_records", "_valid_from")

    def __init__(self, limits: DnsLimits) -> None:
        self._limits = limits
        self._answers: dict[Question, Answer] = {}
        self._records = 0
        self._valid_from = float("-inf")

    def __len__(self) -> int:
        return len(self._answers)

    def fresh(
        self, question: Question, now: float, *, early: bool = False
    ) -> Answer | None:
        """The answer, if it still holds.

        ``early`` is the view of a background refresh, which renews an answer before
        it runs out.
        """
        answer = self._answers.get(question)
        if answer is None or answer.problem or answer.received_at < self._valid_from:
            return None
        life = answer.ttl * NEARLY_OLD if early else answer.ttl
        return answer if now < answer.received_at + life else None

    def keep(
        self, question: Question, records: Iterable[Record], ttl: float, now: float
    ) -> Answer:
        """Store what DNS said, for ``ttl`` clamped to the limits.

        For a name that had records, we believe "there are none" only when DNS still
        says so after a while; until then the last records come back, with a problem.
        """
        found = tuple(sorted(records)[:MOST_KEPT])
        limits = self._limits
        known = None if found else self._answers.get(question)
        if known is not None and self._is_doubtful(known, now):
            return known
        gone_since = None if known is None else known.absent_since
        ceiling = limits.ttl_ceiling
        if not found:
            # Records that were there not long ago may well come back: look again soon.
            was_there = gone_since is not None and now < gone_since + limits.idle
            ceiling = limits.ttl_floor if was_there else limits.negative
        ttl = min(max(ttl, limits.ttl_floor), ceiling)
        answer = Answer(question, found, ttl, now)
        answer.absent_since = gone_since
        # Take the old one out first, so that the dict is in the order of the answers.
        old = self._answers.get(question)
        if old is not None:
            answer.is_of_pool = old.is_of_pool
            self._drop(old)
        self._make_room(len(found))
        self._answers[question] = answer
        self._records += len(found)
        return answer

    def _drop(self, answer: Answer) -> None:
        del self._answers[answer.question]
        self._records -= len(answer.records)

    def _make_room(self, records: int) -> None:
        """The oldest answers go, those of pools last: strangers' zones may be large."""
        most = self._limits.max_names * 8
        if len(self._answers) < most and self._records + records <= MOST_RECORDS:
            return
        others = [each for each in self._answers.values() if not each.is_of_pool]
        # Several at a time: to look for them costs a walk over all.
        for answer in others[: max(1, len(others) // 8)]:
            self._drop(answer)
        while len(self._answers) >= most:
            self._drop(next(iter(self._answers.values())))

    def _is_doubtful(self, known: Answer, now: float) -> bool:
        """DNS says that there are no records; True while we go on with the old ones."""
        if not known.records or now >= known.expires + self._limits.stale:
            return False
        if known.absent_since is None:
            known.absent_since = now
        if known.failing_since is None:
            known.failing_since = now
        known.problem = "it says that there are none, though there were"
        return now < known.absent_since + self._limits.doubt

    def ask_again(self, now: float) -> None:
        """Ask for everything anew; an old answer serves until the new one is there."""
        self._valid_from = now

    def fail(self, question: Question, problem: str, now: float) -> Answer:
        """A query failed: the last good answer, or one without records.

        Neither SERVFAIL nor silence says anything about the name, so nothing stored
        is lost before it is too old to be trusted.
        """
        answer = self._answers.get(question)
        if answer is not None and answer.records:
            if now < answer.expires + self._limits.stale:
                answer.problem = problem
                if answer.failing_since is None:
                    answer.failing_since = now
                return answer
            self._drop(answer)
        unknown = Answer(question, (), 0.0, now)
        unknown.problem = problem
        unknown.failing_since = now
        return unknown


def lifetime(
    answers: Iterable[Answer], now: float, limits: DnsLimits, *, complete: bool
) -> float:
    """When the result of these answers expires.

    The first record to run out decides.  Names that do not exist (no NAPTR, no IPv6
    address) matter only where nothing was found, or where something is missing
    (``complete`` is False: a lame target).
    """
    answers = list(answers)
    found = [answer for answer in answers if answer.records]
    ends = [answer.expires for answer in found if not answer.problem]
    if any(answer.problem for answer in answers):
        ends.append(now + (limits.retry if found else limits.ttl_floor))
    if not complete or not found:
        ends += [a.expires for a in answers if not a.records and not a.problem]
        ends.append(now + limits.negative)
    return min(ends)
