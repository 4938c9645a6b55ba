"""What a request makes us hold is what its source is charged for (decision 85).

A limit in bytes says nothing when a message takes ten times its bytes once it is read.
"""

import gc
import tracemalloc

import pytest

from tests.support.messages import ALIAS, request
from tests.support.playbook import Playbook

MANY = 30
NAMES = [f"{a}{b}{c}" for a in "abcdefghij" for b in "klmnopqrst" for c in "uvwxyz0123"]
"""Short names, none twice: each costs more than its bytes."""
SHAPES = (
    *("plain", "parameters in Via", "parameters behind the branch"),
    *("parameters in the Request-URI", "parameters in From", "short lines"),
    *("Vias", "Contacts", "a body", "folds"),
)


def shaped(shape: str, number: int) -> bytes:
    """An INVITE of this shape, different from all others."""
    names = [f"{name}{number}" for name in NAMES]
    branch = f"branch=z9hG4bK{number}"
    via = f"SIP/2.0/UDP 10.1.0.9:40000;{branch}"
    uri, lines, body, more = ALIAS, ["Contact: <sip:a@10.1.0.9:40000>"], b"", {}
    match shape:
        case "parameters in Via":
            more["via"] = via.replace(branch, ";".join([*names, branch]))
        case "parameters behind the branch":
            more["via"] = ";".join([via, *names])
        case "parameters in the Request-URI":
            uri = ";".join([uri, *names])[:1000]
        case "parameters in From":
            more["from_"] = ";".join(["<sip:alice@contoso.test>;tag=1", *names])
        case "short lines":
            lines += [f"{name}:" for name in names[:110]]
        case "Vias":
            more["via"] = [via] + ["SIP/2.0/UDP h"] * 60
        case "Contacts":
            lines = ["Contact: " + ",".join(f"<sip:{x}@h>" for x in names[:500])]
        case "a body":
            body = b"x" * 30_000
        case "folds":
            lines += ["X: a" + "\r\n b" * 1_000]
    return request(
        f"INVITE {uri}", *lines, body=body, call_id=f"c{number}", **{"via": via, **more}
    )


def forget(play: Playbook) -> None:
    """What the playbook itself keeps of what it has seen."""
    for noted in (play._script, play.sent, play.ways, play.access):
        noted.clear()


def bytes_held(play: Playbook, shape: str, numbers: range) -> int:
    """What these requests make the core hold, while their callee is silent."""
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    for number in numbers:
        play.send("client", shaped(shape, number))
        forget(play)
    gc.collect()
    return tracemalloc.get_traced_memory()[0] - before


@pytest.mark.parametrize("shape", SHAPES)
def test_a_request_is_charged_for_what_it_makes_us_hold(shape):
    play = Playbook()
    tracemalloc.start()
    try:
        bytes_held(play, shape, range(1000, 1005))  # what is made once
        before = play.core.budget.held
        held = bytes_held(play, shape, range(2000, 2000 + MANY))
        charged = play.core.budget.held - before
    finally:
        tracemalloc.stop()
    assert len(play.core.transactions.servers) >= MANY
    assert held < 2 * charged, f"{held / charged:.1f} times what is charged"


@pytest.mark.parametrize("shape", SHAPES)
def test_little_is_left_of_a_request_that_has_ended(shape):
    """Caches are bounded by number, so each of their entries has to be small."""
    play = Playbook()
    tracemalloc.start()
    try:
        refuse(play, shape, range(3000, 3010))
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        refuse(play, shape, range(4000, 4000 + MANY))
        gc.collect()
        left = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert not len(play.core.transactions.servers)
    assert left < MANY * 10 * 1024, f"{left // MANY} bytes of each"


def refuse(play: Playbook, shape: str, numbers: range) -> None:
    """These requests are refused by their callee, and forgotten."""
    for number in numbers:
        play.send("client", shaped(shape, number))
        play._script.clear()
        play.answer("fe1", 486)
        forget(play)
    play.advance_quietly(40.0)
    forget(play)
