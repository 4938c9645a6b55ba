"""What strangers send costs bounded memory, whatever its size; the service goes on.

The flood is OPTIONS of 57 KB, 270 a second, to a next hop that never answers: it
reached 540 MB in 17 s.  The same bytes come in parts over TCP in the second test.
"""

import contextlib
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.service import HOST, ServiceProcess, new_service, sip_request
from tests.wire.test_service import ask, bound, port
from tests.wire.test_workers import value

pytestmark = pytest.mark.cold
MEMORY = 96 * 1024 * 1024
SIZE = 57_000


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceProcess]:
    """Its next hop is a socket that nobody reads; only our own client is trusted."""
    with bound(socket.SOCK_DGRAM) as silent:
        made = new_service(tmp_path, next_hop=f"{HOST}:{port(silent)}")
        with made.config.open("a") as file:
            file.write(
                f'[limits]\nmemory = {MEMORY}\ntrusted_networks = ["{HOST}/32"]\n'
            )
        made.start()
        yield made
        made.end()


def resident(service: ServiceProcess) -> int:
    assert service.child is not None
    status = Path(f"/proc/{service.child.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found
    return int(found[1]) * 1024


def large(number: int, opened: socket.socket) -> bytes:
    data = sip_request("OPTIONS", branch=f"f{number}", port=port(opened))
    head = data.replace(b"Content-Length: 0", b"Content-Length: %d" % SIZE)
    return head + b"x" * SIZE


@pytest.mark.parametrize("sources", [1, 40])
def test_large_requests_that_nobody_answers_cost_bounded_memory(
    service: ServiceProcess, sources: int
) -> None:
    before = resident(service)
    with contextlib.ExitStack() as stack:
        strangers = [
            stack.enter_context(bound(socket.SOCK_DGRAM, f"127.0.66.{n + 1}"))
            for n in range(sources)
        ]
        client = stack.enter_context(bound(socket.SOCK_DGRAM))
        begun = time.monotonic()
        for number in range(1_100):
            sender = strangers[number % sources]
            sender.sendto(large(number, sender), (HOST, service.port))
            time.sleep(max(0.0, begun + number / 270 - time.monotonic()))
            if number % 100 == 99:  # others are answered all the while
                options = sip_request("OPTIONS", branch=f"o{number}", port=port(client))
                options = options.replace(b"bob@", b"", 1)
                assert ask(client, service, options).startswith(b"SIP/2.0 200")
        grown = resident(service) - before
    assert grown < MEMORY, f"{grown >> 20} MiB"
    shed = 'waypost_requests_shed_total{reason="memory"}'
    assert value(service, shed) > 0
    held = 'waypost_held_bytes{kind="requests"}'
    assert value(service, held) <= MEMORY // 3


def test_messages_that_never_end_cost_bounded_memory(service: ServiceProcess) -> None:
    before = resident(service)
    with contextlib.ExitStack() as stack:
        for number in range(600):
            opened = stack.enter_context(socket.socket())
            opened.bind((f"127.0.{number // 100 + 70}.{number % 100 + 1}", 0))
            opened.connect((HOST, service.port))
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(OSError):  # it may be the one that has to go
                opened.sendall(large(number, opened)[:-1])
        client = stack.enter_context(bound(socket.SOCK_DGRAM))
        options = sip_request("OPTIONS", branch="last", port=port(client))
        options = options.replace(b"bob@", b"", 1)
        assert ask(client, service, options).startswith(b"SIP/2.0 200")
        assert resident(service) - before < 40 * 1024 * 1024
    held = 'waypost_held_bytes{kind="buffers"}'
    until = time.monotonic() + 10
    while value(service, held):
        assert time.monotonic() < until
        time.sleep(0.05)
