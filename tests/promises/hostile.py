"""R1: broken messages by the ten thousand through the core, each with a stopwatch."""

import random
import time

from tests.promises.model import Outcome, Room
from tests.support.playbook import Playbook
from tests.torture.corpus import CASES

FIXED, PER_BYTE = 50e-6, 0.1e-6  # seconds
SHORT, LONG = 60_000, 1_000_000
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
    worst, slowest, raised = 0.0, b"", ""
    for place in range(number):
        if place % FRESH == 0:
            play = Playbook(default_route=b"sip:10.0.2.1:5060")
        data = mutated(rng, rng.choice(sources))
        try:
            ratio = _took(play, data) / (FIXED + PER_BYTE * len(data))
        except Exception as error:
            raised = raised or f"{type(error).__name__}: {error}; {data[:60]!r}"
            continue
        if ratio > worst:
            # A busy machine looks like a slow parser: the best of five counts.
            ratio = min(
                _took(Playbook(default_route=b"sip:10.0.2.1:5060"), data)
                / (FIXED + PER_BYTE * len(data))
                for _ in range(5)
            )
            if ratio > worst:
                worst, slowest = ratio, data
    figure = (
        f"{number} messages (seed {seed}), {'1 or more' if raised else 0} exceptions;"
        f" the slowest took {worst:.2f} of the bound ({len(slowest)} bytes)"
    )
    return Outcome(not raised and worst <= 1, figure + (raised and f"; {raised}"))


def _took(play: Playbook, data: bytes) -> float:
    """Seconds of CPU that the core spent on one message."""
    flow = play.flow("client")
    started = time.thread_time()
    play.core.receive(flow, data, play.now)
    play.core.take_commands()
    return time.thread_time() - started


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
