"""``python -m tests.console.pages.paint``: when a page is first seen.

A real service with a pending cutover, the system's Chromium on the same machine.  Each
page is opened LOADS times by its address; the paint is what the browser's
PerformanceObserver says, counted from the beginning of the navigation.
"""

import asyncio
import statistics
import tempfile
from pathlib import Path

from proxy.console.pages.sections import SECTIONS
from tests.support.browser import Seat, seat, weight

LOADS = 15
PAINT = """() => new Promise((done) => new PerformanceObserver((list) => {
  const found = list.getEntriesByName("first-contentful-paint")[0];
  if (found) done(found.startTime);
}).observe({ type: "paint", buffered: true }))"""


async def table(desk: Seat) -> None:
    """A line for each page."""
    page = await desk.signed_in()
    print(f"{'page':12} {'median':>7} {'worst':>7} {'bytes':>8}")
    for each in SECTIONS:
        found = []
        for _ in range(LOADS):
            await page.goto(f"{desk.url}{each.path}")
            found.append(float(await page.evaluate(PAINT)))
        size = await weight(page)
        middle, worst = statistics.median(found), max(found)
        print(f"{each.path:12} {middle:4.0f} ms {worst:4.0f} ms {size:8}")
    assert desk.troubles == []


async def measure() -> None:
    """All of it."""
    with tempfile.TemporaryDirectory() as folder:
        async with seat(Path(folder)) as desk:
            await desk.it.arm("--confirm-within", "30")
            await desk.it.calls(5)
            await table(desk)


if __name__ == "__main__":
    asyncio.run(measure())
