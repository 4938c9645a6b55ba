"""Proxies that are each other's next hop: a request goes round once at most.

RFC 3261 section 16.3 item 4 and RFC 5393: who sees his own Via with the same routing
inputs answers 482, and nothing is multiplied on the way.
"""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.service import HOST, ServiceProcess, new_service, sip_request

PER_HOP = 2  # messages more than the one that came, at each proxy


@pytest.fixture
def caller() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind((HOST, 0))
        opened.settimeout(10)
        yield opened


def ring(folder: Path, count: int) -> list[ServiceProcess]:
    """Services; the default route of each leads to the next one."""
    found = []
    for number in range(count):
        place = folder / f"proxy{number}"
        place.mkdir()
        found.append(new_service(place))
    for service, following in zip(found, [*found[1:], found[0]], strict=True):
        text = service.config.read_text()
        text = text.replace(f"{HOST}:9;", f"{HOST}:{following.port};")
        service.config.write_text(text)
    return found


def final(caller: socket.socket) -> bytes:
    """The final response."""
    while True:
        data = caller.recv(65_535)
        if not data.startswith(b"SIP/2.0 1"):
            return data


def received(service: ServiceProcess) -> int:
    """INVITEs and others that a service has received."""
    page = service.get("/metrics")[1]
    found = re.findall(r"(?m)^waypost_requests_received_total\{[^}]*\} (\S+)$", page)
    return sum(int(float(each)) for each in found)


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
@pytest.mark.parametrize(
    ("count", "status"),
    [
        (2, 504),  # nothing goes back to whoever has just sent it
        (3, 482),
    ],
)
def test_proxies_that_name_each_other_end_it_in_one_turn(
    tmp_path: Path, caller: socket.socket, method: str, count: int, status: int
) -> None:
    services = ring(tmp_path, count)
    try:
        for service in services:
            service.start()
        before = [received(service) for service in services]
        port = caller.getsockname()[1]
        data = sip_request(method, branch="loop", port=port)
        data = data.replace(b"bob@contoso.test", b"bob@elsewhere.test")
        caller.sendto(data, (HOST, services[0].port))
        assert int(final(caller)[8:11]) == status
        for service, known in zip(services, before, strict=True):
            assert received(service) - known <= 1 + PER_HOP
    finally:
        for service in services:
            service.end()
