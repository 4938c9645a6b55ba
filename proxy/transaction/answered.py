"""Requests that have had their answer, until nobody can ask for it again.

Timers J and L (RFC 3261 section 17.2.2, RFC 6026 section 7.1) keep a transaction for
64*T1, and over UDP all that it does in that time is to repeat its answer, or nothing
after the 2xx to an INVITE.  At 1,000 calls/s these are 96,000, so there is no object,
no timer and no state for each: a key, and the bytes of the answer.
"""

from __future__ import annotations

from typing import Final

from proxy.sip.flow import Account
from proxy.transaction.budget import OVERHEAD, Budget
from proxy.transaction.timers import TRANSACTION_TIMEOUT, Timers

_NAME: Final = "answered"
_WORN: Final = 1024
"""Places in front that are empty, at most, or as many as the others."""


class Answered:
    """``answers`` has the bytes by key; the queue is in the order in which they end.

    Three lists, because a list of records would be an object for each again.
    """

    __slots__ = (
        "_accounts",
        "_budget",
        "_due",
        "_dues",
        "_gone",
        "_keys",
        "_timers",
        "answers",
    )

    def __init__(self, timers: Timers, budget: Budget) -> None:
        self._timers = timers
        self._budget = budget
        self.answers: dict[bytes, bytes] = {}
        self._dues: list[float] = []
        self._keys: list[bytes] = []
        self._accounts: list[Account] = []
        self._gone = 0
        self._due = 0.0  # of the timer that runs; in the past when none does

    def __len__(self) -> int:
        return len(self.answers)

    def put(self, key: bytes, answer: bytes, account: Account, now: float) -> int:
        """Keep this for 64*T1; the bytes that the account is charged with for it."""
        due = now + TRANSACTION_TIMEOUT
        # The timer first: what has one ends, whatever fails from here on.
        if self._due < now:
            self._wait_until(due, now)
        if key in self.answers:
            return 0
        self._dues.append(due)
        self._keys.append(key)
        self._accounts.append(account)
        self.answers[key] = answer
        cost = OVERHEAD + len(key) + len(answer)
        self._budget.held += cost
        account.held += cost
        return cost

    def timer_fired(self, name: str, now: float) -> None:
        """TimerOwner: forget all whose time has come."""
        dues, keys, answers, budget = self._dues, self._keys, self.answers, self._budget
        gone, count = self._gone, len(dues)
        while gone < count and dues[gone] <= now:
            key = keys[gone]
            cost = OVERHEAD + len(key) + len(answers.pop(key, b""))
            budget.held -= cost
            self._accounts[gone].held -= cost
            keys[gone] = b""  # the bytes go now, the place in the list later
            gone += 1
            self._gone = gone
        if gone < count:
            self._wait_until(dues[gone], now)
        else:
            self._due = 0.0
        if gone >= _WORN and 2 * gone >= count:
            del dues[:gone]
            del keys[:gone]
            del self._accounts[:gone]
            self._gone = 0

    def go_on(self, now: float) -> None:
        """A look has failed half-way: look again."""
        self._wait_until(now + 1.0, now)

    def _wait_until(self, due: float, now: float) -> None:
        self._timers.start(_NAME, max(due - now, 0.0), self, now)
        self._due = due
