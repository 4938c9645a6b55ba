"""Does it stay flat?  100,000 calls, then silence: memory, and what is left over.

    python -m tests.bench.endurance [CALLS]

After the last message of a call its transactions are kept for 32 s; a minute later
none may be left.  Exits 1 when a call failed, when a transaction was left, or when
memory still grew by more than a tenth between the middle and the end of the load.
"""

import sys
import time
import urllib.request

from tests.bench.generator import front_end_for, load
from tests.bench.measure import memory_mib, tree
from tests.bench.proxies import running
from tests.bench.world import World, enter

RATE = 1000
CHUNK = 10  # seconds of load between two looks
ADMIN = "127.0.0.10:9091"
GROWTH = 1.1


def transactions() -> int:
    """Transactions alive in the proxy, of both kinds."""
    with urllib.request.urlopen(f"http://{ADMIN}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found = [x for x in lines if x.startswith("waypost_transactions{")]
    if not found:
        raise RuntimeError("no waypost_transactions in /metrics")
    return sum(int(float(line.rpartition(" ")[2])) for line in found)


def main(calls: int) -> int:
    """Load, look, wait, look."""
    enter([str(calls)], "tests.bench.endurance")
    admin = f'[admin]\nlisten = "{ADMIN}"\n'
    failed, memory = 0, []
    with (
        World() as world,
        front_end_for(world, "invite", "udp"),
        running("waypost-default", world, "invite", "udp", admin) as pid,
    ):
        for done in range(RATE * CHUNK, calls + 1, RATE * CHUNK):
            failed += load(world, "invite", "udp", (RATE, CHUNK)).failed
            memory.append(memory_mib(tree(pid)))
            print(
                f"{done:>7} calls, {failed} failed: {memory[-1]:.0f} MiB,"
                f" {transactions()} transactions",
                flush=True,
            )
        time.sleep(60)
        left = transactions()
        print(f"60 s later: {memory_mib(tree(pid)):.0f} MiB, {left} transactions")
    grown = memory[-1] / memory[len(memory) // 2]
    return 1 if failed or left or grown > GROWTH else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
