"""What a Redis store with many bindings costs: `make bench-store`, ARGS='--bindings N'.

A real `redis-server` whose append-only file is flushed at each write, and the real
`waypost serve` on it.  Times are milliseconds unless another unit is named.
"""

import argparse
import asyncio
import socket
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from proxy.location.binding import Binding, BindingChange
from proxy.store import open_store
from tests.support.redis import RedisServer
from tests.wire.test_registrar import DOMAIN, World
from tests.wire.test_shared_redis import Node

TIMES = 2000


def put(number: int) -> BindingChange:
    """One binding as a client of the field makes it."""
    uri = f"sip:u{number}@10.1.{number >> 8 & 255}.{number & 255}:5060".encode()
    aor = f"u{number}@{DOMAIN}"
    made = Binding(
        aor, b"<urn:uuid:%d>" % number, uri, b"<%b>" % uri, 1.0, 9e9, 1.0, b"call", 7,
        b"<urn:uuid:%d>" % number, 0, "epid", "UCCAPI/3.5.6907.0", "udp:10.1.0.1:5060",
        b"", b"x" * 44,
    )  # fmt: skip
    return BindingChange(aor, made.key, made)


def show(what: str, seconds: list[float]) -> None:
    """One line: median and 99th percentile."""
    p99 = statistics.quantiles(seconds, n=100)[98]
    print(
        f"{what:<52} {statistics.median(seconds) * 1000:7.2f}   p99 {p99 * 1000:7.2f}"
    )


async def timed(work: Callable[[int], Awaitable[object]], times: int) -> list[float]:
    """How long each of many calls took, seconds."""
    found = []
    for number in range(times):
        start = time.perf_counter()
        await work(number)
        found.append(time.perf_counter() - start)
    return found


async def in_the_store(url: str, bindings: int) -> None:
    """Fill it, and time what a proxy asks of it."""
    store = await open_store(url)
    start = time.perf_counter()
    for first in range(0, bindings, 500):
        group = range(first, min(first + 500, bindings))
        await store.save_bindings([put(number) for number in group])
    print(f"{bindings} bindings saved in {time.perf_counter() - start:.1f} s")
    mark = (await store.news("")).mark
    aors = [f"u{number * 37 % bindings}@{DOMAIN}" for number in range(TIMES)]
    seconds = await timed(lambda n: store.look_up([aors[n]], 0.0), TIMES)
    show("look-up of one address", seconds)
    show("is there any news", await timed(lambda _: store.news(mark), TIMES))
    show(
        "a group of 20 REGISTERs",
        await timed(
            lambda n: store.save_bindings([put(n * 20 + k) for k in range(20)]), 300
        ),
    )
    start = time.perf_counter()
    assert len(await store.bindings(None, 0.0)) == bindings
    print(f"all of them loaded in {time.perf_counter() - start:.2f} s")
    await store.close()


def ask(address: tuple[str, int], users: list[str]) -> list[float]:
    """MESSAGEs to users, one after the other; seconds until the final answer."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.44", 0))
        udp.connect(address)
        udp.settimeout(5)
        me = "{}:{}".format(*udp.getsockname())
        for number, user in enumerate(users):
            to = f"sip:{user}@{DOMAIN}"
            request = (
                f"MESSAGE {to} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{number}"
                f"\r\nMax-Forwards: 70\r\nFrom: <sip:a@{DOMAIN}>;tag=1\r\n"
                f"To: <{to}>\r\nCall-ID: {number}\r\nCSeq: 1 MESSAGE\r\n"
                "Content-Length: 0\r\n\r\n"
            )
            start = time.perf_counter()
            udp.send(request.encode())
            assert udp.recv(65535).startswith(b"SIP/2.0 404")
            found.append(time.perf_counter() - start)
    return found


async def through_the_proxy(directory: Path, url: str) -> None:
    """An address that nobody knows: with a look-up in Redis, and without one."""
    node = Node(directory / "redis", url)
    start = time.perf_counter()
    await node.service.start(node.address, timeout=60.0)
    held = node.metric("waypost_bindings")
    seconds = time.perf_counter() - start
    print(f"waypost serve is ready after {seconds:.2f} s and holds {held:.0f}")
    nobody = [f"nobody{number}" for number in range(TIMES)]
    with_look_up = await asyncio.to_thread(ask, node.address, nobody)
    await node.service.stop()
    (directory / "sqlite").mkdir()
    plain = World(directory / "sqlite")
    await plain.start()
    without = await asyncio.to_thread(ask, plain.address, nobody)
    await plain.service.stop()
    show("request for an unknown address, memory alone", without)
    show("request for an unknown address, asking Redis", with_look_up)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bindings", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        redis = RedisServer(Path(name))
        redis.start()
        try:
            await in_the_store(redis.url, options.bindings)
            used = redis.send("INFO memory").split(b"used_memory:")[1].split()[0]
            print(f"Redis holds {int(used) / 1e6:.0f} MB")
            await through_the_proxy(Path(name), redis.url)
        finally:
            redis.kill()


if __name__ == "__main__":
    asyncio.run(main())
