"""Server transactions over UDP that have answered and wait for timer J or L.

Timer J (RFC 3261 section 17.2.2) and timer L (RFC 6026 section 7.1) keep a transaction
for 64*T1 after its final response.  In that time it only repeats this response when the
request comes again; after the 2xx to an INVITE it repeats nothing.  At 1,000 calls/s
some 96,000 transactions wait like this, so each is a key and the bytes of its answer,
without an object, a timer or a state of its own (decision 145 of
``docs/decisions.md``).
"""

from __future__ import annotations

from array import array
from typing import Final

from proxy.sip.flow import Account
from proxy.transaction.budget import OVERHEAD, Budget
from proxy.transaction.timers import TRANSACTION_TIMEOUT, Timers

_NAME: Final = "answered"
_WORN: Final = 1024
"""The lists are shortened when so many places at their front are empty, and these are
at least half of all: each cut moves everything behind it."""


class Answered:
    """The answers by key, and a queue of keys in the order in which they expire.

    ``answers`` holds empty bytes where nothing is repeated.  The queue is three
    parallel lists: a list of records would again be one object for each transaction,
    and so would a list of instants, because each is a float; hence the array.
    """

    __slots__ = (
        "_accounts",
        "_budget",
        "_dues",
        "_gone",
        "_is_waiting",
        "_keys",
        "_timers",
        "answers",
    )

    def __init__(self, timers: Timers, budget: Budget) -> None:
        self._timers = timers
        self._budget = budget
        self.answers: dict[bytes, bytes] = {}
        self._dues: array[float] = array("d")
        self._keys: list[bytes] = []
        self._accounts: list[Account] = []
        self._gone = 0
        # Whether the one timer runs.  Its instant cannot say so: timers fire some
        # milliseconds late, and in between another one would be started, for ever.
        self._is_waiting = False

    def __len__(self) -> int:
        return len(self.answers)

    def put(self, key: bytes, answer: bytes, account: Account, now: float) -> int:
        """Keep ``answer`` for 64*T1.

        Returns the bytes charged to ``account``; 0 when the key is here already.
        """
        due = now + TRANSACTION_TIMEOUT
        # Start the timer first: then entries expire even if a later line fails.
        if not self._is_waiting:
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
        """TimerOwner: forget every answer whose 64*T1 are over."""
        self._is_waiting = False
        dues, keys, answers, budget = self._dues, self._keys, self.answers, self._budget
        gone, count = self._gone, len(dues)
        while gone < count and dues[gone] <= now:
            key = keys[gone]
            cost = OVERHEAD + len(key) + len(answers.pop(key, b""))
            budget.held -= cost
            self._accounts[gone].held -= cost
            keys[gone] = b""  # frees the key now; the list is shortened below
            gone += 1
            self._gone = gone
        due = dues[gone] if gone < count else -1.0
        if gone >= _WORN and 2 * gone >= count:
            del dues[:gone]
            del keys[:gone]
            del self._accounts[:gone]
            self._gone = 0
        # Last of all: where this method has raised, no timer runs (see ``go_on``).
        if due >= 0:
            self._wait_until(due, now)

    def go_on(self, now: float) -> None:
        """``timer_fired`` raised, at once or half-way: fire again in a second."""
        self._wait_until(now + 1.0, now)

    def _wait_until(self, due: float, now: float) -> None:
        self._timers.start(_NAME, max(due - now, 0.0), self, now)
        self._is_waiting = True
