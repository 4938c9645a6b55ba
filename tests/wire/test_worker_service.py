"""Several workers as one service: drain, reload, sockets handed over, a bad start."""

import itertools
import os
import re
import secrets
import signal
import socket
import time
from contextlib import ExitStack

import pytest

from tests.support.service import HOST, new_service, sip_request
from tests.wire.test_service import ask, bound, ok_to, port
from tests.wire.test_workers import (
    WORKERS,
    clients,
    next_hop,
    receive,
    running,
    source_of,
    status,
)

NOBODY = 65534

__all__ = ["clients", "next_hop"]  # fixtures


def test_a_drain_keeps_every_worker_until_the_last_request_has_its_answer(
    tmp_path, clients, next_hop
) -> None:
    """A worker that left early would leave its clients' datagrams unread."""
    with running(tmp_path, next_hop) as service:
        proxy = (HOST, service.port)
        first = clients[0]
        first.sendto(sip_request("INVITE", branch="w0", port=port(first)), proxy)
        invite, source = next_hop.recvfrom(65535)
        service.signal(signal.SIGTERM)
        while service.get("/ready")[0] != 503:
            time.sleep(0.01)
        assert service.get("/health")[0] == 200
        wait_for_log(service, "worker.draining", 2)  # the node itself says so before
        for number, client in enumerate(clients[1:]):
            refused = sip_request("INVITE", branch=f"w{number}n", port=port(client))
            assert ask(client, service, refused).startswith(b"SIP/2.0 503")
            info = sip_request("INFO", "b", branch=f"w{number}i", port=port(client))
            client.sendto(info, proxy)
            arrived = receive(next_hop, b"INFO ")
            next_hop.sendto(ok_to(arrived), source_of(arrived))
            receive(client, b"SIP/2.0 200")
        assert service.child.poll() is None, "the INVITE is still open"
        next_hop.sendto(ok_to(invite), source)
        assert service.wait(30) == 0
        assert "service.stopped" in service.log


def test_a_new_key_signs_and_dialogs_with_the_old_one_go_on(
    tmp_path, clients, next_hop
) -> None:
    """The procedure of docs/scaling.md on one node, in a reload each."""
    keys = [secrets.token_hex(32) for _ in range(2)]
    file = tmp_path / "route.key"
    file.write_text(keys[0])
    with running(tmp_path, next_hop) as service:
        text = service.config.read_text()
        text = text.replace("[proxy]", '[proxy]\nkey_file = "route.key"', 1)
        service.config.write_text(text)
        known = [
            [dialog(service, client, next_hop, f"own{each}")]
            for each, client in enumerate(clients)
        ]
        for step, content in enumerate(([keys[0]], [keys[1], keys[0]])):
            file.write_text("\n".join(content))
            service.signal(signal.SIGHUP)
            wait_for_log(service, "keys.changed", step + 1)
            # The first worker tells of it; the worker of each client may read the news
            # a bit later, and before that it knows no token of the new key.
            end = time.monotonic() + 15
            for each, client in enumerate(clients):
                for turn in itertools.count():
                    name = f"step{step}c{each}t{turn}"
                    route = dialog(service, client, next_hop, name)
                    if route not in known[each]:
                        break
                    assert time.monotonic() < end, "it was signed by the key of before"
                known[each].append(route)
        for number, route in enumerate(known[0]):
            for other, client in enumerate(clients):
                branch = f"k{number}.{other}"
                info = sip_request("INFO", "b", branch=branch, port=port(client))
                info = info.replace(b"Max-", b"Route: " + route + b"\r\nMax-", 1)
                client.sendto(info, (HOST, service.port))
                arrived = receive(next_hop, b"INFO ")
                next_hop.sendto(ok_to(arrived), source_of(arrived))
                receive(client, b"SIP/2.0 200")
        file.write_text("no key")
        service.signal(signal.SIGHUP)
        wait_for_log(service, "a key is 64 hexadecimal digits", 1)
        assert len(status(service)["workers"]) == 2


def dialog(service, client, next_hop, call: str) -> bytes:
    """Set up a dialog; its Route."""
    name = re.sub(r"\W", "", call)
    invite = sip_request("INVITE", branch=name, port=port(client))
    client.sendto(invite, (HOST, service.port))
    arrived, source = next_hop.recvfrom(65535)
    next_hop.sendto(ok_to(arrived), source)
    answered = receive(client, b"SIP/2.0 200")
    return re.search(rb"Record-Route: (<[^>]+>)", answered)[1]


def wait_for_log(service, word: str, times: int) -> None:
    end = time.monotonic() + 20
    while service.log.count(word) < times:
        assert time.monotonic() < end, service.log
        time.sleep(0.02)


def test_workers_share_the_sockets_of_the_service_manager(tmp_path, clients) -> None:
    with ExitStack() as stack:
        udp = stack.enter_context(bound(socket.SOCK_DGRAM))
        tcp = stack.enter_context(socket.socket())
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((HOST, port(udp)))
        tcp.listen()
        service = new_service(tmp_path, sockets=[udp, tcp], **WORKERS)
        stack.callback(service.end)
        service.start()
        for number, client in enumerate(clients):
            options = sip_request("OPTIONS", branch=f"s{number}", port=port(client))
            options = options.replace(b"bob@contoso.test SIP", b"contoso.test SIP")
            assert ask(client, service, options).startswith(b"SIP/2.0 200")
            with socket.create_connection((HOST, service.port), 3) as stream:
                stream.sendall(options.replace(b"/UDP", b"/TCP").replace(b"Ks", b"Kt"))
                assert stream.recv(65535).startswith(b"SIP/2.0 200")
        assert len(status(service)["workers"]) == 2
        service.signal(signal.SIGTERM)
        assert service.wait(30) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for another user")
def test_a_datagram_socket_that_another_user_made_is_refused_and_explained(
    tmp_path,
) -> None:
    """As systemd does: the kernel lets nobody else bind beside it."""
    with socket_of(NOBODY) as udp:
        service = new_service(tmp_path, sockets=[udp], **WORKERS)
        config = service.config.read_text()
        tcp = config[config.index('[[listen]]\ntransport = "tcp"') :]
        tcp = tcp[: tcp.index("[store]")]
        service.config.write_text(config.replace(tcp, ""))
        service.start(is_ready=False)
        assert service.wait(30) == 3
    assert "ListenDatagram" in service.log


def socket_of(user: int) -> socket.socket:
    """A bound UDP socket that a process of this user has opened."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = os.fork()
        if child == 0:
            os.setuid(user)
            opened = bound(socket.SOCK_DGRAM)
            socket.send_fds(theirs, [b"x"], [opened.fileno()])
            os._exit(0)
        os.waitpid(child, 0)
        _, found, _, _ = socket.recv_fds(ours, 1, 1)
    return socket.socket(fileno=found[0])


def test_an_address_that_is_taken_is_told_once_and_nobody_stays(tmp_path) -> None:
    service = new_service(tmp_path, **WORKERS)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, service.port))
        service.start(is_ready=False)
        service.wait_for_log("service.waiting")
        end = time.monotonic() + 15  # the page opens a moment after the line
        while f"{HOST}:{service.port}" not in service.get("/status")[1]:
            assert time.monotonic() < end, service.get("/status")
        time.sleep(1.5)  # the next try
        service.signal(signal.SIGTERM)
        assert service.wait(30) == 0
    assert service.log.count("service.waiting") == 1
    assert f"{HOST}:{service.port}" in service.log


def test_a_store_that_cannot_be_used_ends_the_start(tmp_path) -> None:
    service = new_service(tmp_path, **WORKERS)
    (tmp_path / "waypost.db").write_text("this is no database, and never was one")
    service.start(is_ready=False)
    assert service.wait(30) == 3
    assert "worker.failed" in service.log
