"""What client and server transactions share: a state that the tables alone change.

RFC 3261 section 17 draws each transaction as a machine of states and inputs; the
drawings are the tables of ``states.py``.  Whoever has an input gives it to ``step`` and
carries out the effects that the table names.
"""

from __future__ import annotations

from typing import Final, Generic

from proxy.sip.flow import Flow
from proxy.transaction.states import Do, Input, State, Steps
from proxy.transaction.timers import T1

ENDED: Final = "terminated"


class Transaction(Generic[Do]):
    """One request and its answers, between us and one neighbour (section 17)."""

    __slots__ = ("_steps", "flow", "key", "method", "retransmit_after", "state")

    def begin(
        self, key: bytes, method: bytes, flow: Flow, steps: Steps[Do], state: State
    ) -> None:
        """What a constructor would do: mypyc reaches that of a generic class through
        ``super()`` of the interpreter only, and there are four transactions a call."""
        self.key = key
        self.method = method
        self.flow = flow
        self.retransmit_after = T1
        self._steps = steps
        self.state: str = state

    def effects_of(self, input_: Input) -> tuple[Do, ...]:
        """What this input would have us do now."""
        return self._steps[self.state][input_][1]

    def step(self, input_: Input) -> tuple[Do, ...]:
        """Take the input: the only place where a state changes.  Returns the effects.

        Raises KeyError where the table does not list it.
        """
        self.state, effects = self._steps[self.state][input_]
        return effects
