"""The service as a process: health, drain, signals, manager, sockets handed over."""

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.lab.service import command
from tests.support.service import HOST, ServiceProcess, new_service, sip_request
from tests.support.sip_probe import answers_options

pytestmark = pytest.mark.cold


@pytest.fixture
def made() -> Iterator[list[ServiceProcess]]:
    """Services to end, whatever happens."""
    services: list[ServiceProcess] = []
    yield services
    for service in services:
        service.end()


@pytest.fixture
def udp() -> Iterator[socket.socket]:
    """A client's socket."""
    with bound(socket.SOCK_DGRAM) as opened:
        yield opened


@pytest.fixture
def next_hop() -> Iterator[socket.socket]:
    """A next hop that answers when the test says so."""
    with bound(socket.SOCK_DGRAM) as opened:
        yield opened


def bound(kind: socket.SocketKind, host: str = HOST) -> socket.socket:
    opened = socket.socket(socket.AF_INET, kind)
    opened.settimeout(10)
    opened.bind((host, 0))
    return opened


def port(opened: socket.socket) -> int:
    return opened.getsockname()[1]


def ok_to(request: bytes) -> bytes:
    """200 with what a response copies."""
    lines = request.split(b"\r\n")
    copied = [
        line
        for line in lines
        if line.lower().startswith(
            (b"via:", b"record-route:", b"from:", b"call-id:", b"cseq:")
        )
    ]
    to = next(line for line in lines if line.startswith(b"To:"))
    to += b"" if b";tag=" in to else b";tag=b"
    return b"\r\n".join([b"SIP/2.0 200 OK", *copied, to, b"Content-Length: 0\r\n\r\n"])


def ask(client: socket.socket, service: ServiceProcess, request: bytes) -> bytes:
    """The first final response to a request."""
    client.sendto(request, (HOST, service.port))
    while True:
        answer = client.recv(65535)
        if not answer.startswith(b"SIP/2.0 1"):
            return answer


def test_a_ready_service_says_so_and_shows_its_metrics(tmp_path, made, udp) -> None:
    service = new_service(tmp_path)
    made.append(service)
    service.start()
    assert service.get("/health") == (200, "ok\n")
    assert service.get("/ready") == (200, "ready\n")
    options = sip_request("OPTIONS", branch="m1", port=port(udp))
    options = options.replace(b"sip:bob@contoso.test SIP", b"sip:contoso.test SIP")
    assert ask(udp, service, options).startswith(b"SIP/2.0 200")
    status, text = service.get("/metrics")
    assert status == 200
    assert 'waypost_requests_received_total{method="OPTIONS"} 1.0' in text
    assert 'waypost_responses_sent_total{class="2xx"} 1.0' in text
    assert re.search(r"waypost_process_resident_bytes \d", text)


def test_drain_refuses_what_begins_and_lets_what_has_begun_end(
    tmp_path, made, udp, next_hop
) -> None:
    service = new_service(tmp_path, next_hop=f"{HOST}:{port(next_hop)}", drain=20)
    made.append(service)
    service.start()
    client = (HOST, service.port)
    udp.sendto(sip_request("INVITE", branch="d1", port=port(udp)), client)
    invite, proxy = next_hop.recvfrom(65535)
    service.signal(signal.SIGTERM)
    while service.get("/ready")[0] != 503:
        time.sleep(0.01)
    assert service.get("/health")[0] == 200
    assert "waypost_draining 1.0" in service.get("/metrics")[1]

    refused = ask(udp, service, sip_request("INVITE", branch="d2", port=port(udp)))
    assert refused.startswith(b"SIP/2.0 503")
    assert 5 <= int(re.search(rb"\r\nRetry-After: (\d+)\r\n", refused)[1]) <= 20

    info = sip_request("INFO", to_tag="b", branch="d3", port=port(udp))
    udp.sendto(info, client)
    while not (arrived := next_hop.recv(65535)).startswith(b"INFO"):
        pass  # retransmissions of the INVITE
    next_hop.sendto(ok_to(arrived), proxy)
    assert service.child.poll() is None, "the INVITE is still open"

    next_hop.sendto(ok_to(invite), proxy)
    assert service.wait(15) == 0
    assert "service.stopped" in service.log


def test_an_idle_service_ends_at_once(tmp_path, made) -> None:
    service = new_service(tmp_path, drain=60)
    made.append(service)
    service.start()
    service.signal(signal.SIGTERM)
    assert service.wait(30) == 0


def test_a_stop_counts_while_the_service_is_still_starting(tmp_path, made) -> None:
    """As the first process of a container, where unhandled signals are ignored."""
    if os.geteuid() != 0:
        pytest.skip("a process namespace needs root")
    line = ["unshare", "--pid", "--fork", *command("serve")]
    service = new_service(tmp_path)
    environment = {**os.environ, "WAYPOST_CONFIG": str(service.config)}
    with (tmp_path / "log").open("wb") as log:
        child = subprocess.Popen(line, env=environment, stderr=log)
    children = Path(f"/proc/{child.pid}/task/{child.pid}/children")
    for _ in range(3000):
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.kill(int(children.read_text()), signal.SIGTERM)
        if child.poll() is not None:
            break
        time.sleep(0.01)
    assert child.wait(30) == 0
    assert "service.started" not in service.log, "it did not wait for the whole start"


def test_a_service_whose_log_nobody_reads_any_more_still_works_and_stops(
    tmp_path, made, udp
) -> None:
    """`waypost serve 2>&1 | head`: each line that it wants to write fails."""
    service = new_service(tmp_path)
    reading, writing = os.pipe()
    line = command("--config", str(service.config), "serve")
    service.child = subprocess.Popen(line, stdout=writing, stderr=writing)
    made.append(service)
    os.close(writing)
    with os.fdopen(reading, "rb") as log:
        while b"service.started" not in log.readline():
            pass
    request = sip_request("OPTIONS", branch="p1", port=port(udp))
    assert ask(udp, service, request).startswith(b"SIP/2.0 ")
    service.signal(signal.SIGHUP)
    service.signal(signal.SIGTERM)
    assert service.wait(20) in (0, 120)  # 120: Python could not flush its streams


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_table_that_cannot_be_read_is_told_and_followed_again_when_it_can(
    tmp_path, made, workers
) -> None:
    service = new_service(tmp_path, WAYPOST_SERVER_WORKERS=workers)
    made.append(service)
    service.start()
    with contextlib.closing(sqlite3.connect(tmp_path / "waypost.db")) as store:
        store.execute("INSERT INTO endpoints VALUES ('x', 'no JSON')")
        store.execute("UPDATE meta SET value = 41 WHERE key = 'table_version'")
        store.commit()
        wait_for(service, 503, "ready; down: follow-store\n")
        assert "follow-store" in json.loads(service.get("/status")[1])["down"]
        assert "\nwaypost_tasks_down 0.0\n" not in service.get("/metrics")[1]
        store.execute("DELETE FROM endpoints")
        store.commit()
    wait_for(service, 200, "ready\n")
    assert "\nwaypost_table_version 41.0\n" in service.get("/metrics")[1]
    assert json.loads(service.get("/status")[1])["down"] == {}


def wait_for(service: ServiceProcess, status: int, line: str) -> None:
    until = time.monotonic() + 15
    while service.get("/ready") != (status, line):
        assert time.monotonic() < until, service.get("/ready")
        time.sleep(0.05)


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_a_drain(tmp_path, made, udp, next_hop, second) -> None:
    service = new_service(tmp_path, next_hop=f"{HOST}:{port(next_hop)}", drain=60)
    made.append(service)
    service.start()
    invite = sip_request("INVITE", branch="s1", port=port(udp))
    udp.sendto(invite, (HOST, service.port))
    next_hop.recv(65535)
    service.signal(signal.SIGTERM)
    while service.get("/ready")[0] != 503:
        time.sleep(0.01)
    service.signal(second)
    assert service.wait(30) == 0


def test_a_drain_has_a_limit(tmp_path, made, udp, next_hop) -> None:
    service = new_service(tmp_path, next_hop=f"{HOST}:{port(next_hop)}", drain=0.5)
    made.append(service)
    service.start()
    invite = sip_request("INVITE", branch="l1", port=port(udp))
    udp.sendto(invite, (HOST, service.port))
    next_hop.recv(65535)
    service.signal(signal.SIGTERM)
    assert service.wait(30) == 0
    assert "service.drain_cut" in service.log


def test_drain_over_http_wants_the_token_that_only_the_owner_can_read(
    tmp_path, made
) -> None:
    service = new_service(tmp_path)
    made.append(service)
    service.start()
    assert service.get("/drain", "POST")[0] == 401
    file = tmp_path / "admin.token"
    assert file.stat().st_mode & 0o777 == 0o600
    assert service.get("/drain", "POST", file.read_text().strip())[0] == 202
    assert service.wait(30) == 0


def test_a_chosen_admin_address_that_is_taken_is_waited_for(tmp_path, made) -> None:
    service = new_service(tmp_path)
    made.append(service)
    with bound(socket.SOCK_STREAM) as taken:
        taken.listen()
        text = service.config.read_text()
        wanted = f'"{HOST}:{service.admin}"'
        service.config.write_text(text.replace(wanted, f'"{HOST}:{port(taken)}"'))
        service.start(is_ready=False)
        service.wait_for_log("service.waiting")
    assert "in use" in service.log
    service.wait_for_log("service.started")


def test_a_default_admin_address_that_is_taken_is_no_reason_not_to_serve(
    tmp_path, made
) -> None:
    service = new_service(tmp_path)
    made.append(service)
    text = service.config.read_text()
    service.config.write_text(re.sub(r"\[admin\]\nlisten = .*\n", "", text))
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # somebody else has it: as good
            taken.bind(("127.0.0.1", 8060))
            taken.listen()
        service.start(is_ready=False)
        wait_for_log(service, "service.started")
    assert "admin.unavailable" in service.log
    assert answers_options((HOST, service.port), 2.0)


def test_sighup_applies_what_it_can_and_names_the_rest(tmp_path, made) -> None:
    service = new_service(tmp_path)
    made.append(service)
    service.start()
    text = service.config.read_text().replace(
        "drain_seconds = 5.0", "drain_seconds = 9"
    )
    pool = '[[pool]]\nfqdn = "pcpool.contoso.test"\nfailover_codes = [500]\n'
    service.config.write_text(text + "[limits]\nbody = 1024\n" + pool)
    service.signal(signal.SIGHUP)
    wait_for_log(service, "config.reloaded")
    applied = '"applied": ["pool.failover_codes", "server.drain_seconds"]'
    assert applied in service.log
    assert '"keys": ["limits.body"]' in service.log
    service.config.write_text("nonsense")
    service.signal(signal.SIGHUP)
    wait_for_log(service, "config.refused")
    assert service.get("/ready")[0] == 200


def wait_for_log(service: ServiceProcess, word: str) -> None:
    for _ in range(1500):
        if word in service.log:
            return
        time.sleep(0.02)
    raise AssertionError(f"{word} is not in\n{service.log}")


def test_the_manager_hears_ready_watchdog_reload_and_stop(tmp_path, made) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        service = new_service(
            tmp_path, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="200000"
        )
        made.append(service)
        service.start()
        told = [manager.recv(500).decode() for _ in range(4)]
        assert told[0].startswith("WATCHDOG=1") or told[0].startswith("READY=1")
        assert "READY=1\nSTATUS=serving" in told
        assert told.count("WATCHDOG=1") >= 2, "it goes on"
        service.signal(signal.SIGHUP)
        told = until(manager, "READY=1")
        assert any(re.match(r"RELOADING=1\nMONOTONIC_USEC=\d+$", x) for x in told)
        service.signal(signal.SIGTERM)
        until(manager, "STOPPING=1")
        assert service.wait(30) == 0


def until(manager: socket.socket, word: str) -> list[str]:
    """What the manager hears, up to a message that begins with a word."""
    told = [manager.recv(500).decode()]
    while not told[-1].startswith(word):
        told.append(manager.recv(500).decode())
    return told


def test_with_the_managers_sockets_a_restart_refuses_and_loses_nothing(
    tmp_path, made, udp
) -> None:
    """The restart happens between the client's connect and the service's start."""
    with bound(socket.SOCK_STREAM) as stream, bound(socket.SOCK_DGRAM) as datagram:
        datagram.close()
        datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagram.bind((HOST, port(stream)))
        stream.listen(64)
        service = new_service(tmp_path, sockets=[stream, datagram])
        made.append(service)
        service.start()
        request = sip_request("INVITE", branch="r0", port=port(udp))
        assert ask(udp, service, request).startswith(b"SIP/2.0 5")
        service.signal(signal.SIGTERM)
        assert service.wait(30) == 0

        # Nobody is there: the kernel keeps both for who comes next.
        caller = socket.create_connection((HOST, service.port), timeout=5)
        over_tcp = sip_request("OPTIONS", branch="r1", port=9).replace(b"/UDP", b"/TCP")
        caller.sendall(over_tcp)
        udp.sendto(sip_request("OPTIONS", branch="r2", port=port(udp)),
                   (HOST, service.port))  # fmt: skip
        service.start()
        assert caller.recv(65535).startswith(b"SIP/2.0 ")
        udp.settimeout(20)
        assert b"branch=z9hG4bKr2" in udp.recv(65535)
        caller.close()
        datagram.close()


class Callers:
    """A client that connects anew for each request, and one that sends datagrams."""

    def __init__(self, service: ServiceProcess) -> None:
        self.address = (HOST, service.port)
        self.refused = self.unanswered = self.cut = 0
        self.answered = {"tcp": 0, "udp": 0}
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._go, args=(transport,))
            for transport in self.answered
        ]

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _go(self, transport: str) -> None:
        ask = self._over_tcp if transport == "tcp" else self._over_udp
        number = 0
        while not self._stop.is_set():
            number += 1
            try:
                answer = ask(number)
            except ConnectionRefusedError:
                self.refused += 1
            except TimeoutError:
                self.unanswered += 1
            else:
                self.answered[transport] += answer.startswith(b"SIP/2.0 ")
                # Accepted by a process that then ended: the client connects again.
                self.cut += not answer

    def _over_tcp(self, number: int) -> bytes:
        with socket.create_connection(self.address, timeout=20) as opened:
            request = sip_request("OPTIONS", branch=f"t{number}", port=9)
            try:
                opened.sendall(request.replace(b"/UDP", b"/TCP"))
                return opened.recv(65535)
            except (ConnectionResetError, BrokenPipeError):
                return b""

    def _over_udp(self, number: int) -> bytes:
        with bound(socket.SOCK_DGRAM) as opened:
            opened.settimeout(0.5)
            branch = f"u{number}"
            request = sip_request("OPTIONS", branch=branch, port=port(opened))
            for _ in range(40):
                opened.sendto(request, self.address)
                with contextlib.suppress(TimeoutError):
                    return opened.recv(65535)
        raise TimeoutError


def test_restarts_under_load_refuse_no_connection(tmp_path, made) -> None:
    """systemd holds the sockets; three restarts while two clients never pause."""
    with bound(socket.SOCK_STREAM) as stream, contextlib.ExitStack() as stack:
        datagram = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        datagram.bind((HOST, port(stream)))
        stream.listen(64)
        service = new_service(tmp_path, sockets=[stream, datagram], drain=20)
        made.append(service)
        service.start()
        with Callers(service) as callers:
            for _ in range(3):
                before = dict(callers.answered)
                while any(callers.answered[k] < before[k] + 5 for k in before):
                    time.sleep(0.01)
                service.signal(signal.SIGTERM)
                assert service.wait(15) == 0
                service.start()
    assert (callers.refused, callers.unanswered) == (0, 0)
    assert callers.cut <= 3, "more than the one connection of each restart"


def test_a_socket_that_no_entry_describes_stops_the_start(tmp_path, made) -> None:
    with bound(socket.SOCK_STREAM) as stream, bound(socket.SOCK_STREAM) as other:
        stream.listen()
        other.listen()
        service = new_service(tmp_path, sockets=[stream, other])
        made.append(service)
        service.start(is_ready=False)
        assert service.wait() == 3
        assert f"tcp {HOST}:{port(other)}, but no [[listen]] entry" in service.log


def test_a_service_loads_nothing_of_the_command_line(tmp_path) -> None:
    """Rich and Typer cost memory and a tenth of the start."""
    code = (
        "import sys; from proxy.cli.main import main; main(sys.argv[1:]); "
        "print(sorted({'rich', 'typer', 'click'} & "
        "{name for name, module in sys.modules.items() if module is not None}))"
    )
    config = tmp_path / "waypost.toml"
    config.write_text(  # a store that is none: it ends after its imports
        '[proxy]\ndomains = ["contoso.test"]\n[[listen]]\ntransport = "udp"\n'
        'address = "192.0.2.1:5060"\n[store]\nurl = "sqlite:///waypost.db"\n'
    )
    (tmp_path / "waypost.db").write_bytes(b"no store" * 200)
    ended = subprocess.run(
        [sys.executable, "-c", code, "--config", str(config), "serve"],
        capture_output=True,
        check=False,
    )
    assert ended.stdout.decode().splitlines()[-1:] == ["[]"], ended.stderr
