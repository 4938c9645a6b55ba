"""What client and server transactions share: a state that the tables alone change.

RFC 3261 section 17 draws each transaction as a machine of states and inputs, and
``states.py`` has these drawings as tables.  ``client.py`` and ``server.py`` give an
input to ``step`` and carry out the effects that it returns.
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
        """Do what a constructor would do.

        mypyc can call the constructor of a generic class only through the interpreter's
        ``super()``, and each call has four transactions.
        """
        self.key = key
        self.method = method
        self.flow = flow
        self.retransmit_after = T1
        self._steps = steps
        self.state: str = state

    def effects_of(self, input_: Input) -> tuple[Do, ...]:
        """The effects that this input would have now; the state stays."""
        return self._steps[self.state][input_][1]

    def step(self, input_: Input) -> tuple[Do, ...]:
        """Take the input: the only place where a state changes.  Returns the effects.

        Raises KeyError where the table does not list it.
        """
        self.state, effects = self._steps[self.state][input_]
        return effects
