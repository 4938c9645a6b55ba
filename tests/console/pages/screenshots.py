"""``make screenshots``: the pictures of docs/console.md, of a real service.

An hour of calls is played in half a minute: the counters are those of the service, only
the minutes in which the console looks at them are shorter.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from proxy import clock
from proxy.admin.listener import client
from proxy.config import load_config
from proxy.console.hour import MINUTES, Hour, counts
from proxy.lab.front_end import Behaviour
from tests.support.browser import Seat, seat
from tests.support.two_pools import NEW


async def an_hour(desk: Seat) -> None:
    """Calls of an hour, some of which fail."""
    config, hour, now = load_config(desk.it.config), Hour(), clock.wall()
    for minute in range(MINUTES):
        is_bad = minute in (21, 22)
        desk.it.old.behaviour = Behaviour("answer", 500) if is_bad else Behaviour()
        await desk.it.calls(2 + minute % 5 + minute % 3)
        _, body = await asyncio.to_thread(client.call, config, "GET", "/metrics")
        hour.add(counts(body.decode()), now - (MINUTES - 1 - minute) * 60)
    desk.console.desk.pulse.hour = hour


async def pictures(folder: Path) -> None:
    """Every picture, into a folder."""
    with tempfile.TemporaryDirectory() as temporary:
        async with seat(Path(temporary)) as desk:
            await an_hour(desk)
            await _migration(desk, folder)
            await desk.it.scene.follows()
            await desk.it.calls(6)
            await _now(desk, folder)


async def _now(desk: Seat, folder: Path) -> None:
    page = await desk.signed_in()
    await page.wait_for_selector(".live:not(:empty)")
    await page.wait_for_selector("#cutover :text('of 6 calls')")
    await page.set_viewport_size({"width": 1280, "height": 900})
    await page.screenshot(path=folder / "now.png")
    phone = await desk.signed_in(width=390, language="it", theme="dark")
    await phone.wait_for_selector(".live:not(:empty)")
    await phone.screenshot(path=folder / "phone.png")


async def _migration(desk: Seat, folder: Path) -> None:
    page = await desk.signed_in(theme="dark")
    await page.goto(f"{desk.url}/migration")
    await page.fill("[name=to_pool]", NEW)
    await page.click("[hx-post='/migration/plan/rows']")
    await page.wait_for_selector(f"[name=pool_fqdn][value='{NEW}']")
    await page.fill("[name=plan_name]", "weekend")
    await page.fill("[name=confirm_within]", "30")
    await page.click("[hx-post='/migration/plan/keep']")
    await page.wait_for_selector(".checklist")
    await page.click("[hx-post='/migration/plan/look']")
    await page.wait_for_selector("#outcome .diff")
    plan = page.locator("section[aria-labelledby=plan-title]")
    await plan.screenshot(path=folder / "plan.png")
    await page.click("#apply")
    await page.click("#ask [value=yes]")
    await page.wait_for_selector("#confirm-cutover")


if __name__ == "__main__":
    asyncio.run(pictures(Path(sys.argv[1])))
