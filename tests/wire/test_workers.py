"""Several workers are one proxy: clients that change ports, connections elsewhere,
registrations, a worker that dies.  The kernel deals clients out by address and port, so
every test uses sixteen sockets: some of them meet one worker, the others another."""

import json
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.phone import Phone
from tests.support.service import HOST, ServiceProcess, new_service, sip_request
from tests.wire.test_service import bound, ok_to, port

SOCKETS = 16
WORKERS = {"WAYPOST_SERVER_WORKERS": "2"}
REGISTRAR = """
[registrar]
enabled = true
trusted_networks = ["127.0.0.0/8"]
"""


@contextmanager
def running(
    directory: Path, next_hop: socket.socket | None = None, extra: str = ""
) -> Iterator[ServiceProcess]:
    """A node of two workers."""
    where = {} if next_hop is None else {"next_hop": f"{HOST}:{port(next_hop)}"}
    service = new_service(directory, **where, **WORKERS)
    with service.config.open("a") as file:
        file.write(extra)
    service.start()
    try:
        yield service
        assert "Traceback" not in service.log
    finally:
        service.signal(signal.SIGINT)
        service.wait()
        service.end()


@pytest.fixture
def clients() -> Iterator[list[socket.socket]]:
    """UDP sockets, so many that each worker gets some."""
    with ExitStack() as stack:
        yield [stack.enter_context(bound(socket.SOCK_DGRAM)) for _ in range(SOCKETS)]


@pytest.fixture
def next_hop() -> Iterator[socket.socket]:
    with bound(socket.SOCK_DGRAM) as opened:
        yield opened


def value(service: ServiceProcess, name: str) -> float:
    """One value of the metrics."""
    found = re.search(rf"(?m)^{re.escape(name)} (\S+)$", service.get("/metrics")[1])
    assert found, name
    return float(found[1])


def status(service: ServiceProcess) -> dict:
    """The status page."""
    return json.loads(service.get("/status")[1])


def receive(opened: socket.socket, start: bytes) -> bytes:
    """The next message that begins so; others are passed over."""
    while True:
        data = opened.recv(65535)
        if data.startswith(start):
            return data


def answer(request: bytes, line: bytes) -> bytes:
    return ok_to(request).replace(b"SIP/2.0 200 OK", b"SIP/2.0 " + line, 1)


def test_what_an_operator_sees_is_the_whole_node(tmp_path, clients) -> None:
    with running(tmp_path) as service:
        for number, client in enumerate(clients):
            options = sip_request("OPTIONS", branch=f"o{number}", port=port(client))
            options = options.replace(
                b"sip:bob@contoso.test SIP", b"sip:contoso.test SIP"
            )
            client.sendto(options, (HOST, service.port))
            assert receive(client, b"SIP/2.0 200")
        name = 'waypost_requests_received_total{method="OPTIONS"}'
        assert value(service, name) == SOCKETS
        assert value(service, "waypost_workers") == 2
        shown = status(service)
        assert [each["worker"] for each in shown["workers"]] == [0, 1]

        victim = shown["workers"][0]["pid"]
        os.kill(victim, signal.SIGKILL)
        died = time.monotonic()
        while [x["pid"] for x in status(service)["workers"]].count(victim) or len(
            status(service)["workers"]
        ) < 2:
            assert time.monotonic() - died < 20, service.log
            time.sleep(0.02)
        # What the dead worker had counted is still there.
        assert value(service, name) == SOCKETS
        assert value(service, "waypost_worker_restarts_total") == 1
        assert service.get("/ready")[0] == 200


def test_a_client_may_change_its_port_inside_a_transaction(
    tmp_path, clients, next_hop
) -> None:
    """A repeated INVITE, the CANCEL and the ACK each come from another port."""
    with running(tmp_path, next_hop) as service:
        proxy = (HOST, service.port)
        others = [clients[n - 1] for n in range(SOCKETS)]
        pairs = list(zip(clients, others, strict=True))
        ways: dict[bytes, tuple[bytes, tuple[str, int]]] = {}
        for number, (client, other) in enumerate(pairs):
            invite = sip_request("INVITE", branch=f"p{number}", port=port(client))
            client.sendto(invite, proxy)
            arrived, source = next_hop.recvfrom(65535)
            call_id = re.search(rb"Call-ID: (\S+)", arrived)[1]
            assert call_id not in ways, "an INVITE was forwarded twice"
            ways[call_id] = arrived, source
            next_hop.sendto(answer(arrived, b"180 Ringing"), source)
            receive(client, b"SIP/2.0 180")
            other.sendto(invite, proxy)  # absorbed: nothing new arrives at the pool
            receive(client, b"SIP/2.0 180")
        for number, (client, other) in enumerate(pairs):
            cancel = sip_request("CANCEL", branch=f"p{number}", port=port(client))
            other.sendto(cancel, proxy)
            receive(client, b"SIP/2.0 200")
            arrived, source = next_hop.recvfrom(65535)
            assert arrived.startswith(b"CANCEL "), arrived
            next_hop.sendto(ok_to(arrived), source)
            invite, source = ways[re.search(rb"Call-ID: (\S+)", arrived)[1]]
            next_hop.sendto(answer(invite, b"487 Request Terminated"), source)
            assert next_hop.recv(65535).startswith(b"ACK ")
            receive(client, b"SIP/2.0 487")
            ack = sip_request("ACK", to_tag="b", branch=f"p{number}", port=port(client))
            other.sendto(ack, proxy)
        time.sleep(1.3)  # an ACK that had got lost would bring the 487 again
        for client in clients:
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.recv(65535)
        assert value(service, 'waypost_handovers_total{kind="message"}') > 0
        assert status(service)["open_transactions"] == 0


def test_an_answer_that_comes_to_the_common_port_finds_its_request(
    tmp_path, clients, next_hop
) -> None:
    """Some servers answer where the address of Via leads, at a port of their liking."""
    with running(tmp_path, next_hop) as service, bound(socket.SOCK_DGRAM) as elsewhere:
        for number, client in enumerate(clients):
            info = sip_request("MESSAGE", branch=f"a{number}", port=port(client))
            client.sendto(info, (HOST, service.port))
            arrived = receive(next_hop, b"MESSAGE ")
            own_port = int(re.search(rb"Via: SIP/2.0/UDP [\d.]+:(\d+)", arrived)[1])
            assert own_port != service.port, "a worker has a port of its own"
            elsewhere.sendto(ok_to(arrived), (HOST, service.port))
            receive(client, b"SIP/2.0 200")
        assert value(service, 'waypost_handovers_total{kind="message"}') > 0


def test_a_request_reaches_a_client_whose_connection_another_worker_has(
    tmp_path, clients, next_hop
) -> None:
    with running(tmp_path, next_hop) as service, ExitStack() as stack:
        for caller in [Phone((HOST, service.port), HOST, f"c{n}") for n in range(6)]:
            stack.enter_context(caller.socket)
            route = invited(caller, next_hop)
            # From many ports of the pool, so that both workers get some.
            for number, pool in enumerate(clients):
                request = from_pool("INFO", caller.name, port(pool), route, number)
                pool.sendto(request, (HOST, service.port))
                caller.socket.sendall(ok_to(caller.receive(b"INFO ")))
                assert receive(pool, b"SIP/2.0 200")
        assert value(service, 'waypost_handovers_total{kind="flow"}') > 0
        # A connection that is gone is told at once, whoever had it.
        caller.socket.close()
        for number, pool in enumerate(clients):
            request = from_pool("UPDATE", caller.name, port(pool), route, number)
            pool.sendto(request, (HOST, service.port))
            assert b"\r\nms-diagnostics: 1006;" in receive(pool, b"SIP/2.0 480")


def invited(caller: Phone, next_hop: socket.socket) -> str:
    """A dialog of ``caller`` with the pool; the Route of its way back."""
    caller.send(
        "INVITE sip:bob@contoso.test",
        "To: <sip:bob@contoso.test>",
        f"Contact: <sip:{caller.name}@{HOST}:9;transport=tcp>",
    )
    arrived, source = next_hop.recvfrom(65535)
    next_hop.sendto(ok_to(arrived), source)
    caller.receive(b"SIP/2.0 200")
    found = re.findall(rb"Record-Route: (<[^>]+>)", arrived)
    return b", ".join(found).decode()


def from_pool(method: str, name: str, via: int, route: str, number: int) -> bytes:
    """A request of the pool inside that dialog."""
    return (
        f"{method} sip:{name}@{HOST}:9;transport=tcp SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {HOST}:{via};branch=z9hG4bK{method}{number}{name}\r\n"
        f"Max-Forwards: 70\r\nRoute: {route}\r\n"
        f"From: <sip:bob@contoso.test>;tag=b\r\n"
        f"To: <sip:{name}@contoso.test>;tag={name}\r\n"
        f"Call-ID: {name}-INVITE\r\nCSeq: {number + 2} {method}\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()


def test_a_registration_counts_for_every_worker_once_it_is_answered(
    tmp_path, clients
) -> None:
    with running(tmp_path, None, REGISTRAR) as service, ExitStack() as stack:
        proxy = (HOST, service.port)
        for number in range(8):
            phone = Phone((HOST, service.port), HOST, f"u{number}")
            stack.enter_context(phone.socket)
            phone.send(
                "REGISTER sip:contoso.test",
                f"To: <sip:{phone.name}@contoso.test>",
                f"Contact: <sip:{phone.name}@{phone.me};transport=tcp>",
                "Expires: 600",
            )
            phone.receive(b"SIP/2.0 200")
            for other, client in enumerate(clients[:4]):
                branch = f"r{number}.{other}"
                request = sip_request("MESSAGE", branch=branch, port=port(client))
                request = request.replace(b"bob@", phone.name.encode() + b"@")
                client.sendto(request, proxy)
                phone.socket.sendall(ok_to(phone.receive(b"MESSAGE ")))
                assert receive(client, b"SIP/2.0 200")
        assert value(service, "waypost_bindings") == 8


def test_dialogs_outlive_the_worker_that_set_them_up(
    tmp_path, clients, next_hop
) -> None:
    with running(tmp_path, next_hop) as service:
        proxy = (HOST, service.port)
        routes = []
        for number, client in enumerate(clients):
            invite = sip_request("INVITE", branch=f"k{number}", port=port(client))
            client.sendto(invite, proxy)
            arrived, source = next_hop.recvfrom(65535)
            next_hop.sendto(ok_to(arrived), source)
            answered = receive(client, b"SIP/2.0 200")
            routes.append(re.search(rb"Record-Route: (<[^>]+>)", answered)[1])
        for worker in status(service)["workers"]:
            os.kill(worker["pid"], signal.SIGKILL)
            for number, client in enumerate(clients):
                branch = f"i{worker['worker']}.{number}"
                info = sip_request("INFO", "b", branch=branch, port=port(client))
                info = info.replace(
                    b"Max-Forwards: 70\r\n",
                    b"Max-Forwards: 70\r\nRoute: " + routes[number] + b"\r\n",
                )
                # At once: what arrives while nobody serves waits in the socket.
                client.sendto(info, proxy)
                arrived = receive(next_hop, b"INFO ")
                next_hop.sendto(ok_to(arrived), source_of(arrived))
                receive(client, b"SIP/2.0 200")
        assert value(service, "waypost_worker_restarts_total") == 2


def source_of(request: bytes) -> tuple[str, int]:
    """Where an answer goes, by the topmost Via."""
    found = re.search(rb"Via: SIP/2.0/UDP ([\d.]+):(\d+)", request)
    return found[1].decode(), int(found[2])
