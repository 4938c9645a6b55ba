"""The command line beside a running proxy: it follows within a second."""

import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.commands.test_pool import running_zone
from tests.support.ports import free_port

pytestmark = pytest.mark.cold
WAYPOST = str(Path(sys.executable).parent / "waypost")
HOST = "127.0.0.77"


@pytest.fixture
def port(config_file):
    """The port that the configuration's one listener has."""
    port = free_port(HOST)
    text = config_file.read_text()
    config_file.write_text(text.replace("127.0.0.5:5060", f"{HOST}:{port}"))
    return port


@contextmanager
def running_proxy(port):
    process = subprocess.Popen(
        [WAYPOST, "serve"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        wait_for(lambda: status_of(port, "OPTIONS", f"sip:{HOST}:{port}") == 200, 30)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def wait_for(condition, seconds):
    """Wait until it is so; how long that took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "it did not come true in time"
        time.sleep(0.02)
    return time.monotonic() - start


def status_of(port, method, uri):
    """Send one request over UDP; the status of its final answer, None without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind((HOST, 0))
        client.settimeout(1.0)
        own = f"{HOST}:{client.getsockname()[1]}"
        tag = time.monotonic_ns()
        request = (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{tag}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:alice@contoso.test>;tag={tag}\r\n"
            f"To: <{uri}>\r\nCall-ID: {tag}\r\nCSeq: 1 {method}\r\n"
            "Content-Length: 0\r\n\r\n"
        )
        client.sendto(request.encode(), (HOST, port))
        try:
            while True:
                status = int(client.recv(65_535).split(b" ", 2)[1])
                if status >= 200:
                    return status
        except (TimeoutError, ConnectionRefusedError):
            return None


def test_a_running_proxy_follows_new_and_remove_within_a_second(
    waypost, port, monkeypatch
):
    alias = "sip:ocschat@contoso.test"
    with running_zone({"other.test A": "127.0.0.1"}) as address:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", address)
        with running_proxy(port):
            took = []
            for _ in range(3):  # the machine may be busy with others once
                assert status_of(port, "MESSAGE", alias) == 404
                waypost.create()
                # The pool has no records: routed there, but nobody to send it to.
                created = wait_for(lambda: status_of(port, "MESSAGE", alias) == 504, 20)
                assert waypost("endpoint", "remove", alias) == 0
                removed = wait_for(lambda: status_of(port, "MESSAGE", alias) == 404, 20)
                took.append(max(created, removed))
                if took[-1] < 1:
                    break
            assert min(took) < 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_stops_cleanly(port, number):
    with running_proxy(port) as process:
        process.send_signal(number)
        assert process.wait(30) == 0


def test_serve_says_why_it_cannot_start_and_leaves_with_3(config_file, port):
    (config_file.parent / "waypost.db").write_bytes(b"no store" * 200)
    done = subprocess.run(
        [WAYPOST, "serve"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 3
    assert "restore a backup" in done.stdout + done.stderr


def service_step(waypost):
    """What the doctor says first."""
    waypost("doctor", "--json")
    return waypost.json["steps"][0]


@pytest.mark.here
def test_the_doctor_looks_first_whether_this_service_runs(
    waypost, config_file, port, tmp_path
):
    admin = free_port(HOST)
    listen = f'[admin]\nlisten = "{HOST}:{admin}"\ntoken = "a token that is long"\n'
    config_file.write_text(config_file.read_text() + listen)
    waypost.create()
    absent = service_step(waypost)
    assert absent["verdict"] == "failed"
    assert f"waypost --config {config_file} serve" in absent["fix"]
    with running_proxy(port):
        there = service_step(waypost)
        assert there["verdict"] == "ok", there
        # Another store, the same admin listener.
        other = tmp_path / "other.toml"
        other.write_text(config_file.read_text().replace("waypost.db", "other.db"))
        waypost("doctor", "--json", "--config", str(other))
        step = waypost.json["steps"][0]
        assert step["verdict"] == "failed" and "other.db" in step["text"]
        # Another file that names the same store.
        twin = tmp_path / "twin.toml"
        twin.write_text(config_file.read_text())
        waypost("doctor", "--json", "--config", str(twin))
        step = waypost.json["steps"][0]
        assert step["verdict"] == "warning" and str(config_file) in step["text"]
