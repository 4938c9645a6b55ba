"""Wait until something holds: a condition with a generous limit, never a fixed time.

A busy machine may take seconds for what takes milliseconds elsewhere; only a test that
fails waits to the end.
"""

import asyncio
import inspect
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

PATIENCE = 15.0


def until(holds: Callable[[], object], seconds: float = PATIENCE) -> float:
    """How long it took until it held; fails when it does not in time."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, "it never held"
        time.sleep(0.02)
    return time.monotonic() - began


async def comes_true(
    holds: Callable[[], object | Awaitable[object]],
    seconds: float = PATIENCE,
    every: float = 0.02,
) -> float:
    """The same beside other tasks; the condition may have to be awaited itself."""
    began = time.monotonic()
    while True:
        found = holds()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return time.monotonic() - began
        assert time.monotonic() - began < seconds, "it never held"
        await asyncio.sleep(every)


def told(log: Path, event: str = "") -> list[dict[str, Any]]:
    """What the lines of a log say, those of one event alone if it is named.

    Its last line may be half written.
    """
    whole = log.read_text().rpartition("\n")[0].splitlines()
    lines = [json.loads(each) for each in whole if each.startswith("{")]
    return [each for each in lines if event in ("", each["event"])]
