"""Workers die by `kill -9` under load, one after the other.

Short in the suite; `make soak` runs it longer.
"""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from tests.chaos.callers import Caller, Pool
from tests.support.service import HOST, new_service
from tests.wire.test_workers import WORKERS, status, value

LOAD = os.environ.get("WAYPOST_SOAK_WORKERS", "60x3")  # calls/s x seconds
RATE, SECONDS = (int(part) for part in LOAD.split("x"))
PEER = "127.0.0.85"
CALLERS = 8


async def test_no_call_fails_while_workers_die(tmp_path: Path) -> None:
    pool = Pool()
    host, port = await pool.open(PEER)
    service = new_service(tmp_path, next_hop=f"{host}:{port}", **WORKERS)
    await asyncio.to_thread(service.start)
    node = (HOST, service.port)
    callers = [Caller([node, node], PEER, hold=0.5) for _ in range(CALLERS)]
    for caller in callers:
        await caller.open()
    try:
        loads = [asyncio.ensure_future(load(x, RATE / CALLERS)) for x in callers]
        pauses = []
        for victim in (0, 1):
            await asyncio.sleep(SECONDS / 3)
            shown = await asyncio.to_thread(status, service)
            pid = shown["workers"][victim]["pid"]
            os.kill(pid, signal.SIGKILL)
            pauses.append(await asyncio.to_thread(replaced, service, pid))
        await asyncio.gather(*loads)
        restarts = value(service, "waypost_worker_restarts_total")
    finally:
        for caller in callers:
            caller.close()
        pool.close()
        service.end()
    calls = [call for caller in callers for call in caller.calls]
    assert len(calls) >= RATE * SECONDS * 0.8
    assert [call for call in calls if call.failed] == []
    assert restarts == 2
    print(
        f"{len(calls)} calls, none failed, slowest request "
        f"{1000 * max(call.slowest for call in calls):.0f} ms; workers back after "
        + " and ".join(f"{1000 * pause:.0f} ms" for pause in pauses)
    )


# The service, with less patience than the 15 s of real life.
IMPATIENT = """
import sys
from proxy.cli.main import main
from proxy.server.workers import crew
crew.HUNG_AFTER = 2.0
sys.exit(main(sys.argv[1:]))
"""


def test_a_worker_that_hangs_is_replaced(tmp_path: Path) -> None:
    service = new_service(tmp_path, **WORKERS)
    service.waypost = [sys.executable, "-c", IMPATIENT]
    try:
        service.start()
        hung, other = (each["pid"] for each in status(service)["workers"])
        os.kill(hung, signal.SIGSTOP)
        pause = replaced(service, hung)
        assert pause >= 1.0, "a worker is not killed for a short pause"
        assert '"worker.hung"' in service.log
        assert other in [each["pid"] for each in status(service)["workers"]]
        assert not Path(f"/proc/{hung}").exists()
        service.signal(signal.SIGTERM)
        assert service.wait(10) == 0
    finally:
        service.end()


def replaced(service, pid: int) -> float:
    """Seconds until the place of ``pid`` is taken again."""
    started = time.monotonic()
    while time.monotonic() - started < 10:
        pids = [each["pid"] for each in status(service)["workers"]]
        if len(pids) == 2 and pid not in pids:
            return time.monotonic() - started
        time.sleep(0.01)
    raise AssertionError(service.log)


async def load(caller: Caller, rate: float) -> None:
    """Calls at a steady rate."""
    loop = asyncio.get_running_loop()
    start, number, running = loop.time(), 0, []
    while loop.time() - start < SECONDS:
        number += 1
        running.append(asyncio.ensure_future(caller.call(number, caller.nodes[0])))
        await asyncio.sleep(max(0.0, start + number / rate - loop.time()))
    await asyncio.gather(*running)
