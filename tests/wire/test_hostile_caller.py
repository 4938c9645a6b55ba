"""A caller who can make the new pool answer 500, against the guard of a cutover."""

import asyncio
import itertools
import time
from pathlib import Path

import pytest

from proxy.endpoints.callers import bucket_of_caller
from proxy.lab.front_end import FrontEndServer
from tests.support.until import comes_true
from tests.wire.test_guard import (
    BACK_WITHIN,
    NEW_HOST,
    Guarded,
    fails_with,
    guarded,
)

MALLORY = "mallory@contoso.test"
BURST = 12
PATIENCE = 30.0
OTHERS = [
    user
    for user in (f"user{n}@contoso.test" for n in range(40))
    if bucket_of_caller(user) != bucket_of_caller(MALLORY)
]


class Poisoned(FrontEndServer):
    """Whatever Mallory sends makes it fail; all others are served."""

    async def _serve(self, link, request, sent):
        if request.method == "INVITE" and MALLORY in request.get("From"):
            self._reply(link, request, 500, sent)
            return
        await super()._serve(link, request, sent)


async def people(it: Guarded, is_over: asyncio.Event) -> None:
    """Ordinary load, one call after the other; whoever is not served fails the test."""
    for user in itertools.cycle(OTHERS):
        if is_over.is_set():
            break
        assert await it.call_of(user) == 200, user
        await asyncio.sleep(0.05)


async def burst(it: Guarded) -> None:
    """All at once: within one look of the guard."""
    assert set(await asyncio.gather(*(it.call_of(MALLORY) for _ in range(BURST)))) == {
        500
    }


async def judged(it: Guarded, bad: int) -> str:
    """Wait until the service has seen so many failures; how it tells of them."""
    seen = ""

    async def is_seen() -> bool:
        nonlocal seen
        status = await it.type("cutover", "status")
        assert status["state"] == "applied", status["reason"]
        seen = (await it.type("status"))["guard"]["seen"]
        return int(seen.partition(" ")[0] or 0) >= bad

    await comes_true(is_seen, PATIENCE)
    return seen


@pytest.mark.parametrize("workers", [1, 2])
async def test_he_does_not_trip_it_and_does_not_blind_it(
    tmp_path: Path, workers: int
) -> None:
    async with guarded(tmp_path, Poisoned("new", NEW_HOST), workers=workers) as it:
        await it.arm()
        assert [await it.call_of(user) for user in OTHERS[:8]] == [200] * 8
        await it.has_counted(8)
        is_over = asyncio.Event()
        load = asyncio.gather(people(it, is_over))
        for number in range(1, 5):
            await burst(it)
            await judged(it, number * BURST)
        await it.has_counted(8 + 4 * BURST + 20)  # more than five of them are others'
        seen = await judged(it, 4 * BURST)
        assert f"{4 * BURST} of one caller" in seen
        assert not load.done()
        is_over.set()
        await load
        # Then the pool breaks for everybody.
        fails_with("answer", 500)(it.new)
        assert set(await it.calls(10)) <= {500, 504}
        passed = time.monotonic()
        assert await it.is_back() - passed < BACK_WITHIN
        assert "500 (" in (await it.status())["reason"]
