"""A cutover of 1,000 endpoints while calls arrive: none fails, none sees half of it."""

import json
import os
import time
from pathlib import Path

from proxy.admin import cutover
from proxy.endpoints.plan import Plan, PlannedChange
from tests.sipp.runner import Sipp
from tests.support.two_pools import NEW, OLD, TwoPools, two_pools
from tests.support.until import comes_true

ROWS = 1000
LOAD = os.environ.get("WAYPOST_SOAK_CUTOVER", "300x6")  # calls/s x seconds
RATE, SECONDS = (int(part) for part in LOAD.split("x"))
JSON = '\n[log]\nformat = "json"\naccess = true\n'


def plan_to(pool: str, create: bool = False) -> Plan:
    return Plan(
        "load",
        tuple(
            PlannedChange(f"chat{n}@contoso.test", pool, create=create)
            for n in range(ROWS)
        ),
    )


async def switch(scene: TwoPools, pool: str, create: bool = False) -> float:
    """Apply; seconds until it was in the store."""
    async with scene.operator() as operator:
        started = time.perf_counter()
        await cutover.apply(operator, plan_to(pool, create))
        return time.perf_counter() - started


def pools_by_call(log: Path) -> list[str]:
    """The pool that each call went to, in the order in which the calls were made."""
    found = {}
    for line in log.read_text().splitlines():
        entry = json.loads(line) if line.startswith("{") else {}
        if entry.get("event") == "request.finished" and entry["method"] == "INVITE":
            number = entry["aor"].partition("@")[0].removeprefix("alice")
            found[int(number)] = entry["pool"]
    return [found[number] for number in sorted(found)]


async def test_no_call_fails_and_none_sees_a_mixed_table(tmp_path: Path) -> None:
    old = Sipp(tmp_path, "uas_failover", "127.0.0.26", name="old")
    new = Sipp(tmp_path, "uas_failover", "127.0.0.27", name="new")
    users = tmp_path / "endpoints.csv"
    users.write_text("SEQUENTIAL\n" + "".join(f"chat{n}\n" for n in range(ROWS)))
    for front_end in (old, new):
        await front_end.start()
    try:
        addresses = [(each.host, each.port) for each in (old, new)]
        async with two_pools(tmp_path, *addresses, JSON) as scene:
            await switch(scene, OLD, create=True)
            await scene.follows()
            caller = Sipp(
                tmp_path,
                "uac_cutover",
                "127.0.0.44",
                remote=scene.proxy,
                calls=RATE * SECONDS,
                rate=RATE,
                fields=users,
            )
            await caller.start()

            def a_third_is_done() -> bool:
                # Not read line by line: the rest of the load does not wait for that.
                done = scene.service.log.read_bytes().count(b'"method": "INVITE"')
                return done >= RATE * SECONDS / 3

            await comes_true(a_third_is_done, SECONDS + 30, every=0.05)
            seconds = await switch(scene, NEW)
            outcome = await caller.wait(SECONDS + 30)
            await scene.service.stop()
            log = scene.service.log
    finally:
        for front_end in (old, new):
            await front_end.stop()
    assert (outcome.successful, outcome.failed) == (RATE * SECONDS, 0), outcome.errors
    pools = pools_by_call(log)
    switched = pools.index(NEW)
    assert len(pools) == RATE * SECONDS
    assert pools == [OLD] * switched + [NEW] * (len(pools) - switched)
    assert switched > RATE * SECONDS / 4, "the switch came before the load"
    print(
        f"\n{ROWS} endpoints switched in {seconds * 1000:.0f} ms at {RATE} calls/s: "
        f"{switched} calls to the old pool, {len(pools) - switched} to the new one, "
        f"0 failed, {outcome.retransmissions} retransmissions"
    )
