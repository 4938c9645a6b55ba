"""A prepared `waypost` is what exec would have made, for a user and for the kernel."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from proxy.lab.service import command
from tests.support import prepared
from tests.support.service import new_service
from tests.support.until import until

MARK = "WAYPOST_TEST_MARK"
LINES = (
    ("--version",),
    ("nonsense",),
    ("pool", "--help"),
    ("endpoint", "get", "sip:x@contoso.test"),
    ("--json", "endpoint", "list"),
    ("--config", "nowhere.toml", "pool", "list"),
)
Both = Callable[[Callable[[], Any]], list[Any]]


@pytest.fixture
def both() -> Iterator[Both]:
    """What the same gives for a prepared process and for an executed one."""

    def do(what: Callable[[], Any]) -> list[Any]:
        found = []
        for is_cold in (False, True):
            prepared.be_cold(is_cold)
            found.append(what())
        return found

    yield do
    prepared.be_cold(False)


def config_in(folder: Path) -> Path:
    path = folder / "waypost.toml"
    path.write_text(
        '[proxy]\ndomains = ["contoso.test"]\n[store]\nurl = "sqlite:///waypost.db"\n'
    )
    return path


def is_prepared(pid: int) -> bool:
    """The kernel keeps the variables that an exec was given."""
    return MARK.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_a_line_says_and_returns_the_same(
    words: tuple[str, ...], tmp_path: Path, both: Both
) -> None:
    config_in(tmp_path)
    env = {**os.environ, "WAYPOST_CONFIG": "waypost.toml", "COLUMNS": "70"}

    def typed() -> tuple[int, bytes, bytes]:
        done = subprocess.run(
            command(*words), cwd=tmp_path, env=env, input=b"y\n", capture_output=True
        )
        return done.returncode, done.stdout, done.stderr

    here, there = both(typed)
    assert here == there


def status(pid: int) -> list[str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    wanted = ("Name:", "PPid:", "SigBlk:", "SigIgn:", "SigCgt:")
    return [x for x in lines if x.startswith(wanted)]


def kept_open(pid: int) -> list[str]:
    """The files that it holds; what it opens and closes as it works is none of them."""
    readings = []
    for _ in range(5):
        reading = set()
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            # It may be closed between its listing and our look.
            with suppress(FileNotFoundError):
                link = os.readlink(f"/proc/{pid}/fd/{descriptor}")
                reading.add((link, descriptor))
        readings.append(reading)
        time.sleep(0.02)
    held = set.intersection(*readings)
    return sorted(link for link, _ in held if ":[" not in link)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)],
)
def test_a_service_is_the_same_process_for_the_kernel(
    number: signal.Signals, code: int, tmp_path: Path, both: Both
) -> None:
    def served() -> dict[str, Any]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        service = new_service(folder, **{MARK: "1"})
        try:
            service.start()
            assert service.child is not None
            pid = service.child.pid
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            return {
                "words": [x for x in words[1:] if x and str(folder).encode() not in x],
                "files": [x.replace(str(folder), "") for x in kept_open(pid)],
                "status": status(pid),
                "group": os.getpgid(pid) == os.getsid(pid) == pid,
                "folder": os.readlink(f"/proc/{pid}/cwd"),
                "nice": os.getpriority(os.PRIO_PROCESS, pid),
                "code": (service.signal(number), service.wait())[1],
            }
        finally:
            service.end()

    here, there = both(served)
    assert here == there
    assert here["code"] == code


def started(folder: Path, *, cold: bool = False, **more: str) -> bool:
    """Whether a service with these variables was prepared."""
    prepared.be_cold(cold)
    folder.mkdir()
    service = new_service(folder, **{MARK: "1"}, **more)
    try:
        service.start()
        assert service.child is not None
        return is_prepared(service.child.pid)
    finally:
        service.end()
        prepared.be_cold(False)


def test_what_python_reads_at_its_start_and_what_is_marked_is_executed(
    tmp_path: Path,
) -> None:
    assert started(tmp_path / "a")
    assert not started(tmp_path / "b", PYTHONHASHSEED="1")
    assert not started(tmp_path / "c", LC_ALL="C")
    assert not started(tmp_path / "d", cold=True)


@pytest.mark.cold
def test_the_mark_is_heard(tmp_path: Path) -> None:
    service = new_service(tmp_path, **{MARK: "1"})
    try:
        service.start()
        assert service.child is not None
        assert not is_prepared(service.child.pid)
    finally:
        service.end()


def test_a_descriptor_that_is_handed_over_keeps_its_number(tmp_path: Path) -> None:
    service = new_service(tmp_path, **{MARK: "1"})
    log, kept = tmp_path / "log", os.open("/dev/zero", os.O_RDONLY)
    try:
        with log.open("wb") as file:
            child = subprocess.Popen(
                command("--config", str(service.config), "serve"),
                pass_fds=[kept], stdout=file, stderr=file,
                env={**os.environ, MARK: "1"},
            )  # fmt: skip
        try:
            until(lambda: "service.started" in log.read_text())
            assert is_prepared(child.pid)
            assert os.readlink(f"/proc/{child.pid}/fd/{kept}") == "/dev/zero"
            assert os.getsid(child.pid) == os.getsid(0)
        finally:
            child.kill()
            assert child.wait(20) == -9
    finally:
        os.close(kept)
