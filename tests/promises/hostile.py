"""R1: broken messages by the ten thousand through the core, each with a stopwatch."""

import contextlib
import random
import time

from proxy.core.commands import NoteFault
from proxy.sip.errors import MalformedMessage
from proxy.sip.message import parse_message
from tests.promises.model import Outcome, Room
from tests.support.playbook import Playbook
from tests.torture.corpus import CASES

FIXED, PER_BYTE = 50e-6, 20e-9  # seconds, to parse a message
HANDLING = 1e-6  # seconds a byte for all that the core does with it, beyond FIXED_TOO
FIXED_TOO = 500e-6
SHORT, LONG = 30_000, 1_000_000
FRESH = 2_000  # messages that one core sees
PIECES = (
    *(b"\r", b"\n", b"\0", b" ", b"\t", b",", b";", b":", b'"', b"\\", b"<", b">"),
    *(b"%", b"%00", b"\r\n ", b"\r\n\t", b"\xff\xfe", b"=", b"@", b"[", b"]", b"//"),
    *(
        b"\r\n\r\n",
        b"Content-Length: 99999999999\r\n",
        b"l: -1\r\n",
        b"SIP/2.0 200\r\n",
    ),
)
RUNS = (b" ", b"\t", b",", b'"', b"\\", b"\r\n ", b";x", b"%41", b"<", b"()", b":")


def hostile_messages(room: Room) -> Outcome:
    """R1: exceptions, and the slowest message for its length."""
    number, seed = (LONG if room.is_long else SHORT), 20
    rng = random.Random(seed)
    sources = [case.data for case in CASES]
    worst = {parsing: (0.0, 0), handling: (0.0, 0)}
    raised = ""
    for place in range(number):
        if place % FRESH == 0:
            play = Playbook(default_route=b"sip:10.0.2.1:5060")
            play.takes_faults = True
        data = mutated(rng, rng.choice(sources))
        for measure in worst:
            ratio = measure(play, data)
            if ratio > worst[measure][0]:
                # A busy machine looks like a slow parser: the best of five counts.
                ratio = min(measure(_fresh(), data) for _ in range(5))
                worst[measure] = max(worst[measure], (ratio, len(data)))
        if play.faults:
            fault = play.faults[0]
            raised = raised or f"; {type(fault.error).__name__}: {fault.error}"
            play.faults.clear()
    slow = ", ".join(
        f"{measure.__name__} {ratio:.2f} of the bound ({size} bytes)"
        for measure, (ratio, size) in worst.items()
    )
    return Outcome(
        not raised and all(ratio <= 1 for ratio, _ in worst.values()),
        f"{number} messages (seed {seed}), {'some' if raised else 0} exceptions; the"
        f" slowest: {slow}{raised}",
    )


def _fresh() -> Playbook:
    play = Playbook(default_route=b"sip:10.0.2.1:5060")
    play.takes_faults = True
    return play


def parsing(play: Playbook, data: bytes) -> float:
    """CPU time to read one message, as part of its bound."""
    started = time.thread_time()
    with contextlib.suppress(MalformedMessage):
        parse_message(data, play.core.settings.limits)
    return (time.thread_time() - started) / (FIXED + PER_BYTE * len(data))


def handling(play: Playbook, data: bytes) -> float:
    """CPU time of the core for one message, as part of its bound."""
    flow = play.flow("client")
    started = time.thread_time()
    play.core.receive(flow, data, play.now)
    found = play.core.take_commands()
    took = time.thread_time() - started
    play.faults += [x for x in found if isinstance(x, NoteFault)]
    return took / (FIXED_TOO + HANDLING * len(data))


def mutated(rng: random.Random, data: bytes) -> bytes:
    """One to four breaks; one in twenty is blown up to tens of kilobytes."""
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(data) + 1)
        kind = rng.randrange(5)
        if kind == 0:
            data = data[:place] + rng.choice(PIECES) + data[place:]
        elif kind == 1:
            data = data[:place] + data[place + rng.randint(1, 20) :]
        elif kind == 2:
            end = place + rng.randint(1, 200)
            data = data[:end] + data[place:end] + data[end:]
        elif kind == 3 and place < len(data):
            data = data[:place] + bytes([rng.randrange(256)]) + data[place + 1 :]
        else:
            data = data[:place] + rng.choice(RUNS) * rng.randint(1, 40) + data[place:]
    if rng.randrange(20) == 0:
        place = rng.randrange(len(data) + 1)
        run = rng.choice(RUNS)
        size = rng.choice((1_000, 8_000, 60_000))
        data = data[:place] + run * (size // len(run)) + data[place:]
    return data[:65_507]
