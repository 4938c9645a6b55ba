"""The four state machines of RFC 3261 section 17, as tables.

Two rules hold for this file.  First, everything about transitions lives here: the code
in ``client.py`` and ``server.py`` looks a transition up and carries out its effects.
Second, every pair of state and input is listed, also those without an effect, so a
forgotten pair fails a test and not a call.

The INVITE machines are those of RFC 6026: a 2xx leads to *accepted*, where the
transaction stays for 64*T1 (timers L and M) and lets repetitions of the 2xx through.

``check`` is our own timer, the only one that a client transaction starts with (decision
28).  It fires after T1.  A transaction that still has no final response then starts its
real timers (A or E, B or F), counted from the same beginning.  So the thousands of
transactions that end within milliseconds cost one queue entry each.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeVar

State = Literal[
    "calling",
    "trying",
    "proceeding",
    "completed",
    "confirmed",
    "accepted",
    "stranded",  # its connection has ended; the answer may come over another one
    "terminated",
]
Input = Literal[
    "100",
    "1xx",
    "2xx",
    "300-699",
    "request",
    "ack",
    "transport error",
    "connection lost",  # the stream that carried the request has ended
    "check",  # T1 after the request was sent
    "cancelled",  # 64*T1 after our CANCEL
    "credentials",  # the request again, with what our challenge asked for
    "broken",  # 64*T1 after a bug of ours left a step half-way
    "timer A",
    "timer B",
    "timer C",
    "timer D",
    "timer E",
    "timer F",
    "timer G",
    "timer H",
    "timer I",
    "timer J",
    "timer K",
    "timer L",
    "timer M",
]
Effect = Literal[
    "resend",  # the request of a client, the last response of a server
    "send",  # the response that the transaction user hands down
    "ack",  # the ACK for a non-2xx, built by the client transaction
    "pass up",  # the response, or the ACK for a 2xx, goes to the transaction user
    "report timeout",
    "report transport error",
    "report waiting",  # T1 has passed without a final response
    "start slow timers",
    "start A",
    "start D",
    "start E",
    "start G",
    "start H",
    "start I",
    "start J",
    "start K",
    "start L",
    "start M",
    "strand",
]


class Transition(NamedTuple):
    """Where an input leads and what is done on the way, in order."""

    state: State
    effects: tuple[Effect, ...]


Table = dict[State, dict[Input, Transition]]


def _stay(state: State) -> Transition:
    return Transition(state, ())


def _go(state: State, *effects: Effect) -> Transition:
    return Transition(state, effects)


INVITE_CLIENT: Final[Table] = {
    # RFC 3261 section 17.1.1, RFC 6026 section 8.4
    "calling": {
        "100": _go("proceeding", "pass up"),
        "1xx": _go("proceeding", "pass up"),
        "2xx": _go("accepted", "pass up", "start M"),
        "300-699": _go("completed", "ack", "pass up", "start D"),
        # Section 17.1.4: tell the user, which tries the next target (section 16.9).
        "transport error": _go("terminated", "report transport error"),
        "connection lost": _go("stranded", "report transport error", "strand"),
        "check": _go("calling", "resend", "start slow timers", "report waiting"),
        "cancelled": _stay("calling"),
        "timer A": _go("calling", "resend", "start A"),
        "timer B": _go("terminated", "report timeout"),
        "timer C": _stay("calling"),
        "timer D": _stay("calling"),
        "timer M": _stay("calling"),
        "broken": _go("terminated"),
    },
    "proceeding": {
        "100": _go("proceeding", "pass up"),
        "1xx": _go("proceeding", "pass up"),
        "2xx": _go("accepted", "pass up", "start M"),
        "300-699": _go("completed", "ack", "pass up", "start D"),
        "transport error": _go("terminated", "report transport error"),
        "connection lost": _go("stranded", "report transport error", "strand"),
        # Section 17.1.1.2: after a provisional response nothing is repeated and timer B
        # no longer counts; timer C of the proxy ends the wait (section 16.8).
        "check": _go("proceeding", "report waiting"),
        # Section 9.1: 64*T1 after a CANCEL the transaction ends without an answer.
        "cancelled": _go("terminated", "report timeout"),
        "timer A": _stay("proceeding"),
        "timer B": _stay("proceeding"),
        "timer C": _stay("proceeding"),
        "timer D": _stay("proceeding"),
        "timer M": _stay("proceeding"),
        "broken": _go("terminated"),
    },
    "completed": {
        "100": _stay("completed"),
        "1xx": _stay("completed"),
        "2xx": _stay("completed"),
        "300-699": _go("completed", "ack"),
        # Only the ACK can have failed.  The user has its answer already, so timer D
        # ends the transaction as usual.
        "transport error": _stay("completed"),
        "connection lost": _stay("completed"),
        "check": _stay("completed"),
        "cancelled": _stay("completed"),
        "timer A": _stay("completed"),
        "timer B": _stay("completed"),
        "timer C": _stay("completed"),
        "timer D": _go("terminated"),
        "timer M": _stay("completed"),
        "broken": _go("terminated"),
    },
    "accepted": {
        "100": _stay("accepted"),
        "1xx": _stay("accepted"),
        "2xx": _go("accepted", "pass up"),
        "300-699": _stay("accepted"),
        "transport error": _stay("accepted"),
        "connection lost": _stay("accepted"),
        "check": _stay("accepted"),
        "cancelled": _stay("accepted"),
        "timer A": _stay("accepted"),
        "timer B": _stay("accepted"),
        "timer C": _stay("accepted"),
        "timer D": _stay("accepted"),
        "timer M": _go("terminated"),
        "broken": _go("terminated"),
    },
    # Section 18.2.2: the server may open a new connection for its response.  The search
    # has gone on meanwhile (decision 24): the user cancels a server that still rings,
    # and passes a 2xx back to the caller.
    "stranded": {
        "100": _stay("stranded"),
        "1xx": _go("stranded", "pass up"),
        "2xx": _go("stranded", "pass up"),
        "300-699": _go("terminated", "ack"),
        "transport error": _stay("stranded"),
        "connection lost": _stay("stranded"),
        "check": _stay("stranded"),
        "cancelled": _stay("stranded"),
        "timer A": _stay("stranded"),
        "timer B": _stay("stranded"),
        "timer C": _go("terminated"),
        "timer D": _stay("stranded"),
        "timer M": _stay("stranded"),
        "broken": _go("terminated"),
    },
}

NON_INVITE_CLIENT: Final[Table] = {
    # RFC 3261 section 17.1.2
    "trying": {
        "100": _go("proceeding", "pass up"),
        "1xx": _go("proceeding", "pass up"),
        "2xx": _go("completed", "pass up", "start K"),
        "300-699": _go("completed", "pass up", "start K"),
        "transport error": _go("terminated", "report transport error"),
        "connection lost": _go("terminated", "report transport error"),
        "check": _go("trying", "resend", "start slow timers", "report waiting"),
        "timer E": _go("trying", "resend", "start E"),
        "timer F": _go("terminated", "report timeout"),
        "timer K": _stay("trying"),
        "broken": _go("terminated"),
    },
    "proceeding": {
        "100": _go("proceeding", "pass up"),
        "1xx": _go("proceeding", "pass up"),
        "2xx": _go("completed", "pass up", "start K"),
        "300-699": _go("completed", "pass up", "start K"),
        "transport error": _go("terminated", "report transport error"),
        "connection lost": _go("terminated", "report transport error"),
        "check": _go("proceeding", "resend", "start slow timers", "report waiting"),
        "timer E": _go("proceeding", "resend", "start E"),
        "timer F": _go("terminated", "report timeout"),
        "timer K": _stay("proceeding"),
        "broken": _go("terminated"),
    },
    "completed": {
        "100": _stay("completed"),
        "1xx": _stay("completed"),
        "2xx": _stay("completed"),
        "300-699": _stay("completed"),
        "transport error": _stay("completed"),
        "connection lost": _stay("completed"),
        "check": _stay("completed"),
        "timer E": _stay("completed"),
        "timer F": _stay("completed"),
        "timer K": _go("terminated"),
        "broken": _go("terminated"),
    },
}

INVITE_SERVER: Final[Table] = {
    # RFC 3261 section 17.2.1, RFC 6026 section 7.1.  "1xx", "2xx" and "300-699" come
    # from the transaction user here; "100" is one of the "1xx".
    "proceeding": {
        "1xx": _go("proceeding", "send"),
        "2xx": _go("accepted", "send", "start L"),
        "300-699": _go("completed", "send", "start G", "start H"),
        "request": _go("proceeding", "resend"),
        # No failure has been sent yet, so there is nothing that an ACK could confirm.
        "ack": _stay("proceeding"),
        "transport error": _go("proceeding", "report transport error"),
        "timer G": _stay("proceeding"),
        "timer H": _stay("proceeding"),
        "timer I": _stay("proceeding"),
        "timer L": _stay("proceeding"),
        "credentials": _stay("proceeding"),
        "broken": _go("terminated"),
    },
    "completed": {
        "1xx": _stay("completed"),
        "2xx": _stay("completed"),
        "300-699": _stay("completed"),
        "request": _go("completed", "resend"),
        "ack": _go("confirmed", "start I"),
        "transport error": _stay("completed"),
        "timer G": _go("completed", "resend", "start G"),
        # No ACK ever came.  Legacy clients never send one for a non-2xx, so this is
        # an ordinary end and nobody is told.
        "timer H": _go("terminated"),
        "timer I": _stay("completed"),
        "timer L": _stay("completed"),
        # Legacy clients repeat a request with credentials under the same Via and
        # CSeq, and send no ACK for the challenge: it is a new request.
        "credentials": _go("terminated"),
        "broken": _go("terminated"),
    },
    "confirmed": {
        "1xx": _stay("confirmed"),
        "2xx": _stay("confirmed"),
        "300-699": _stay("confirmed"),
        # Section 17.2.1: this state is only there to absorb late ACKs.
        "request": _stay("confirmed"),
        "ack": _stay("confirmed"),
        "transport error": _stay("confirmed"),
        "timer G": _stay("confirmed"),
        "timer H": _stay("confirmed"),
        "timer I": _go("terminated"),
        "timer L": _stay("confirmed"),
        "credentials": _stay("confirmed"),
        "broken": _go("terminated"),
    },
    "accepted": {
        "1xx": _stay("accepted"),
        "2xx": _go("accepted", "send"),
        "300-699": _stay("accepted"),
        # RFC 6026 section 7.1: absorb it, for the callee repeats its 2xx itself.
        "request": _stay("accepted"),
        "ack": _go("accepted", "pass up"),
        "transport error": _stay("accepted"),
        "timer G": _stay("accepted"),
        "timer H": _stay("accepted"),
        "timer I": _stay("accepted"),
        "timer L": _go("terminated"),
        "credentials": _stay("accepted"),
        "broken": _go("terminated"),
    },
}

NON_INVITE_SERVER: Final[Table] = {
    # RFC 3261 section 17.2.2
    "trying": {
        "1xx": _go("proceeding", "send"),
        "2xx": _go("completed", "send", "start J"),
        "300-699": _go("completed", "send", "start J"),
        # Section 17.2.2: a repetition that comes before any response is discarded.
        "request": _stay("trying"),
        "transport error": _go("terminated", "report transport error"),
        "timer J": _stay("trying"),
        "credentials": _stay("trying"),
        "broken": _go("terminated"),
    },
    "proceeding": {
        "1xx": _go("proceeding", "send"),
        "2xx": _go("completed", "send", "start J"),
        "300-699": _go("completed", "send", "start J"),
        "request": _go("proceeding", "resend"),
        "transport error": _go("terminated", "report transport error"),
        "timer J": _stay("proceeding"),
        "credentials": _stay("proceeding"),
        "broken": _go("terminated"),
    },
    "completed": {
        "1xx": _stay("completed"),
        "2xx": _stay("completed"),
        "300-699": _stay("completed"),
        "request": _go("completed", "resend"),
        "transport error": _stay("completed"),
        "timer J": _go("terminated"),
        "credentials": _go("terminated"),
        "broken": _go("terminated"),
    },
}


Do = TypeVar("Do")
Steps = dict[str, dict[str, tuple[str, tuple[Do, ...]]]]


def compile_table(table: Table, effects: Mapping[str, Do]) -> Steps[Do]:
    """``table`` with its effects as the objects that carry them out.

    Raises KeyError for an effect that ``effects`` does not implement.
    """
    return {
        state: {
            input_: (transition.state, tuple(effects[e] for e in transition.effects))
            for input_, transition in inputs.items()
        }
        for state, inputs in table.items()
    }
