"""A cutover killed at any instant is either before or after, never between.

Twenty kills in the suite; `make soak` (WAYPOST_KILLS=200) makes the promise good.
"""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

from proxy.config import load_config
from proxy.store.factory import sqlite_path

KILLS = int(os.environ.get("WAYPOST_KILLS", "20"))
ROWS = 300

# Applies and rolls back for ever; says when it begins.
WORKER = """
import asyncio, sys
from pathlib import Path
from proxy.admin import cutover
from proxy.admin.control import Operator, rules_of
from proxy.config import load_config
from proxy.endpoints.plan import Plan, PlannedChange
from proxy.store import Actor, open_store

async def main():
    config = load_config(Path(sys.argv[1]))
    store = await open_store(config.store_url)
    operator = Operator(store, rules_of(config), Actor("worker", "test"))
    plan = Plan("kill", tuple(
        PlannedChange(f"chat{n}@contoso.test", "new.test", create=n % 3 == 0)
        for n in range(int(sys.argv[2]))
    ))
    print("begun", flush=True)
    last = await cutover.status(operator)
    if last is not None and last.cutover.state == "applied":
        await cutover.roll_back(operator)
    while True:
        await cutover.apply(operator, plan)
        await cutover.roll_back(operator)

asyncio.run(main())
"""


def fill(path):
    """Endpoints that lead to the old pool; every third is the cutover's to create."""
    with sqlite3.connect(path) as db:
        db.executemany(
            "INSERT INTO endpoints VALUES (?, ?)",
            [
                (
                    f"chat{n}@contoso.test",
                    f'{{"sip_address": "sip:chat{n}@contoso.test",'
                    ' "pool_fqdn": "old.test"}',
                )
                for n in range(ROWS)
                if n % 3
            ],
        )


def state_of(path):
    """What the file says after a crash: (rows per pool, the cutover's state)."""
    with sqlite3.connect(path) as db:
        rows = dict(
            db.execute(
                "SELECT json_extract(body, '$.pool_fqdn'), count(*) FROM endpoints"
                " GROUP BY 1"
            ).fetchall()
        )
        last = db.execute(
            "SELECT json_extract(body, '$.state') FROM cutovers"
            " ORDER BY number DESC LIMIT 1"
        ).fetchone()
        (check,) = db.execute("PRAGMA integrity_check").fetchone()
    assert check == "ok"
    return rows, last[0] if last else None


BEFORE = {"old.test": ROWS - len(range(0, ROWS, 3))}
AFTER = {"new.test": ROWS}


def test_kill_9_leaves_the_table_before_or_after(config_file, waypost):
    waypost("endpoint", "get")  # makes the store
    path = sqlite_path(load_config(config_file).store_url)
    fill(path)
    rng, seen = random.Random(3), set()
    turn, longest = 0, 0.12
    while turn < KILLS or not {"applied", "rolled-back"} <= seen:
        assert turn < 5 * KILLS, "the kills did not come in between"
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(config_file), str(ROWS)],
            stdout=subprocess.PIPE,
        )
        assert worker.stdout.readline() == b"begun\n"
        time.sleep(rng.uniform(0, longest))
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
        rows, state = state_of(path)
        expected = AFTER if state == "applied" else BEFORE
        assert rows == expected, f"kill {turn}: {rows} with cutover {state}"
        seen.add(state)
        turn += 1
        if state is None:
            longest *= 1.5  # the first change takes longer here: wait for it
