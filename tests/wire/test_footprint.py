"""What a running service holds: none of what it does not need, and not much at all."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.service import HOST, ServiceProcess, new_service, sip_request
from tests.wire.test_service import ask, wait_for_log

UNWANTED = (
    # what reads a command line and prints its result
    *("typer", "click", "rich", "pygments", "proxy.cli.app"),
    # what libraries bring along and nobody uses
    *("http.client", "http.server", "urllib.request", "prometheus_client", "difflib"),
    "redis",
)
MOST = 30 * 1024
"""KiB that one idle process may hold for itself: 24,000 when this was written."""

# The service, which tells at its end what it has loaded.
PROGRAM = """
import sys
from proxy.cli.main import main
code = main(sys.argv[1:])
print(*(name for name, module in sys.modules.items() if module))
sys.exit(code)
"""


@contextmanager
def running(folder: Path, workers: int) -> Iterator[ServiceProcess]:
    """A service that writes its modules into ``modules`` when it has ended."""
    service = new_service(folder)
    text = service.config.read_text()
    service.config.write_text(f"{text}workers = {workers}\n")
    line = [sys.executable, "-c", PROGRAM, "serve", "--config", str(service.config)]
    with (folder / "log").open("wb") as log, (folder / "modules").open("wb") as out:
        service.child = subprocess.Popen(line, stdout=out, stderr=log)
    try:
        wait_for_log(service, "service.started")
        yield service
    finally:
        service.end()


def processes(service: ServiceProcess) -> list[Path]:
    """The service's folder in /proc, and those of its workers."""
    main = Path(f"/proc/{service.child.pid}")
    workers = (main / f"task/{main.name}/children").read_text().split()
    return [main, *(Path("/proc", pid) for pid in workers)]


def threads(service: ServiceProcess) -> list[Path]:
    """What a process is made of in /proc."""
    return list(Path(f"/proc/{service.child.pid}/task").iterdir())


def use(service: ServiceProcess) -> None:
    """Do what an operator and a client do: a call's request, a scrape, a reload."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.bind((HOST, 0))
        request = sip_request("INVITE", branch="f1", port=client.getsockname()[1])
        assert ask(client, service, request).startswith(b"SIP/2.0 ")
    for page in ("/metrics", "/status"):
        assert service.get(page)[0] == 200
    text = service.config.read_text()
    service.config.write_text(text.replace("drain_seconds = 5.0", "drain_seconds = 9"))
    service.signal(signal.SIGHUP)
    wait_for_log(service, "config.reloaded")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_service_in_use_has_loaded_nothing_that_it_does_not_need(
    tmp_path, workers
) -> None:
    with running(tmp_path, workers) as service:
        use(service)
        service.signal(signal.SIGTERM)
        assert service.wait() == 0
    loaded = set((tmp_path / "modules").read_text().split())
    assert "proxy.server.lifecycle" in loaded
    assert loaded & set(UNWANTED) == set()


def test_an_idle_service_is_small(tmp_path) -> None:
    with running(tmp_path, 1) as service:
        time.sleep(0.2)  # what is done once beside the first messages is done
        (process,) = processes(service)
        # What it has written to: what is shared depends on who else runs.
        found = re.search(
            r"Private_Dirty: +(\d+) kB", (process / "smaps_rollup").read_text()
        )
        assert 5_000 < int(found[1]) < MOST


def test_a_stop_during_the_start_waits_for_no_file(tmp_path) -> None:
    """The read of this one never comes to its end."""
    service = new_service(tmp_path)
    service.config.unlink()
    os.mkfifo(service.config)
    try:
        service.start(is_ready=False)
        while len(threads(service)) == 1:
            pass  # as early as can be
        service.signal(signal.SIGTERM)
        assert service.wait() == 0
        assert service.log == ""
    finally:
        service.end()


def test_a_stop_during_a_reload_waits_for_no_file(tmp_path) -> None:
    with running(tmp_path, 1) as service:
        before = len(threads(service))
        service.config.unlink()
        os.mkfifo(service.config)
        service.signal(signal.SIGHUP)
        while len(threads(service)) == before:
            time.sleep(0.01)
        service.signal(signal.SIGHUP)
        service.signal(signal.SIGTERM)
        assert service.wait() == 0
    assert "task.failed" not in service.log and "Traceback" not in service.log
