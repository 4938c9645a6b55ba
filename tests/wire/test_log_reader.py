"""A log reader that stands still stops neither SIP nor the admin listener nor the end.

The pipe is full after a few dozen lines; the fault was seen after about 200 requests.
"""

import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.lab.service import command
from tests.support.service import HOST, ServiceProcess, new_service, sip_request
from tests.support.sip_probe import answers_options
from tests.wire.test_service import ask, made, port, udp
from tests.wire.test_workers import value

__all__ = ["made", "udp"]  # fixtures
REQUESTS = 400


@pytest.fixture
def reading(tmp_path: Path) -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    os.close(ends[0])


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_reader_that_stands_still_stops_nothing_and_hears_what_it_missed(
    tmp_path, made, udp, reading, workers
) -> None:
    service = new_service(tmp_path)
    read, write = reading
    line = command("--config", str(service.config), "serve")
    service.child = subprocess.Popen(
        line,
        stdout=subprocess.DEVNULL,
        stderr=write,
        env={**os.environ, "WAYPOST_SERVER_WORKERS": workers},
    )
    made.append(service)
    os.close(write)
    while service.get("/ready")[0] != 200:
        time.sleep(0.02)
    fill(udp, service, "before")
    dropped = 'waypost_log_lines_dropped_total{reason="reader"}'
    assert value(service, dropped) > 0
    assert service.get("/health")[0] == 200
    # It reads again: every whole line, then how many are missing.
    found: list[bytes] = []
    reader = threading.Thread(target=read_lines, args=(read, found))
    reader.start()
    until = time.monotonic() + 20
    while not any(b"log.lines_dropped" in x for x in found):
        assert time.monotonic() < until
        assert answers_options((HOST, service.port), 3)
        time.sleep(0.05)
    service.signal(signal.SIGTERM)
    assert service.wait(30) == 0
    reader.join(30)
    told = [json.loads(x) for x in found]
    assert told[-1]["event"] == "service.stopped"


def test_the_end_does_not_wait_for_a_reader(tmp_path, made, udp, reading) -> None:
    service = new_service(tmp_path)
    _, write = reading
    line = command("--config", str(service.config), "serve")
    service.child = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=write)
    made.append(service)
    os.close(write)
    while service.get("/ready")[0] != 200:
        time.sleep(0.02)
    fill(udp, service, "end")
    service.signal(signal.SIGTERM)
    assert service.wait(30) == 0


def test_callers_of_the_admin_listener_that_hang_up_leave_no_line(
    tmp_path, made
) -> None:
    service = new_service(tmp_path)
    made.append(service)
    service.start()
    service.wait_for_log("service.started")  # the listener opens before it is told
    before = service.log
    for said in (b"", b"GET /health HTTP/1.1\r\n", b"GET /metrics HTTP/1.1\r\n\r\n"):
        for linger in (0, 1):
            with socket.create_connection((HOST, service.admin)) as caller:
                caller.sendall(said)
                caller.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", linger, 0)
                )
    for _ in range(20):
        assert service.get("/health")[0] == 200
    assert service.log == before


def test_at_the_descriptor_limit_one_line_is_told(tmp_path, made, udp) -> None:
    service = new_service(tmp_path)
    made.append(service)
    service.start()
    service.wait_for_log("service.started")  # its last line, and its last descriptor
    pid = service.child.pid
    used = len(os.listdir(f"/proc/{pid}/fd"))
    subprocess.run(["prlimit", f"--pid={pid}", f"--nofile={used}"], check=True)
    before = len(service.log.splitlines())
    with (
        socket.create_connection((HOST, service.admin)),
        socket.create_connection((HOST, service.port)),
    ):
        time.sleep(2.5)  # several rounds of accepting
        told = service.log.splitlines()[before:]
        request = sip_request("OPTIONS", branch="fd", port=port(udp))
        assert ask(udp, service, request).startswith(b"SIP/2.0 ")
    assert 1 <= len(told) <= 3, told
    assert all("Too many open files" in x or "descriptors" in x for x in told)


def fill(client: socket.socket, service: ServiceProcess, name: str) -> None:
    """More lines than the pipe and our memory take; every request is answered."""
    long = "x" * 7_000
    for number in range(REQUESTS):
        branch = f"{name}{number}"
        data = sip_request("OPTIONS", branch=branch, port=port(client))
        data = data.replace(b"\r\nCSeq", f"{long}\r\nCSeq".encode())
        assert ask(client, service, data).startswith(b"SIP/2.0 ")


def read_lines(descriptor: int, found: list[bytes]) -> None:
    held = b""
    while data := os.read(descriptor, 1 << 16):
        *lines, held = (held + data).split(b"\n")
        found += lines
