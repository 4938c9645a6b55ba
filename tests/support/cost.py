"""What reading a hostile text costs: time per byte, over five sizes.

The time is that of this thread alone, and the least of several runs, so a busy
machine does not change the verdict.
"""

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Text = TypeVar("Text", bytes, str)

SIZES = (4_000, 8_000, 16_000, 32_000, 64_000)
PER_BYTE = 1e-6  # seconds
START = 100e-6  # what any call may cost, however short the text
FLAT = 5.0  # a quadratic reader is 16 times as slow per byte at the last size
SCREEN = 4_000
WORST = 3


def seconds(call: Callable[[], object], runs: int = 1) -> float:
    """The least time of this thread that ``call`` takes."""
    best = float("inf")
    for _ in range(runs):
        begun = time.thread_time()
        call()
        best = min(best, time.thread_time() - begun)
    return best


@contextmanager
def no_collector() -> Iterator[None]:
    """A collection that comes by chance is nobody's cost."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def hold_flat(
    read: Callable[[Text], object],
    texts: Iterable[Callable[[int], Text]],
    per_byte: float = PER_BYTE,
) -> None:
    """Assert that ``read`` takes time in proportion to the length of every text.

    ``texts`` make a text of about a given size.  All are tried once at a small size;
    those that cost most then go through the five sizes.
    """
    with no_collector():
        tried = []
        for text in texts:
            sample = text(SCREEN)
            took = seconds(lambda sample=sample: read(sample))
            if took > SCREEN * per_byte + START:
                took = seconds(lambda sample=sample: read(sample), 3)
            _check(took, sample, per_byte)
            tried.append((took, len(tried), text))
        for _, _, text in sorted(tried, reverse=True, key=lambda x: x[:2])[:WORST]:
            _hold_one(read, text, per_byte)


def _hold_one(
    read: Callable[[Text], object], text: Callable[[int], Text], per_byte: float
) -> None:
    costs = []
    sample = text(0)
    for size in SIZES:
        sample = text(size)
        took = seconds(lambda sample=sample: read(sample), 2)
        _check(took, sample, per_byte)
        costs.append(took / size)
    least = min(costs[:3]) + START / SIZES[0]
    shown = ", ".join(f"{cost * 1e9:.0f}" for cost in costs)
    assert costs[-1] <= FLAT * least, f"ns per byte {shown}: {_head(sample)}"


def _check(took: float, sample: bytes | str, per_byte: float) -> None:
    limit = len(sample) * per_byte + START
    assert took <= limit, (
        f"{took * 1e3:.1f} ms for {len(sample)} bytes: {_head(sample)}"
    )


def _head(sample: bytes | str) -> str:
    return f"{sample[:80]!r} ... {sample[-20:]!r}"
