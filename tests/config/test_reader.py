"""The file as the service reads it: the same values and sentences, in due time."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from proxy.config import ConfigError, load_config, reader
from proxy.config.reader import read, read_now
from tests.support.configuration import SMALL

SHIPPED = Path(__file__).parents[2] / "config" / "waypost.toml"
BROKEN = '[proxy]\ndomian = ["x"]\n[attempts]\ntotal = 1.0\n'


@pytest.fixture
def silent(tmp_path):
    """A file whose reader waits until somebody writes."""
    path = tmp_path / "silent.toml"
    os.mkfifo(path)
    yield path
    for thread in readers():  # they would wait beyond the test
        while thread.is_alive():
            # Opening a FIFO both ways never waits, and wakes the reader.
            os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
            thread.join(0.01)


def readers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "waypost-config"]


def test_every_value_is_the_one_that_was_read(monkeypatch):
    monkeypatch.setenv("WAYPOST_ADMIN_LISTEN", "[::1]:8060")
    monkeypatch.setenv("WAYPOST_ATTEMPTS_TOTAL", "20")
    now, here = read_now(SHIPPED), load_config(SHIPPED)
    assert now == here and now.path == here.path == SHIPPED
    assert repr(now.attempts.total) == "20.0"
    assert now.admin.listen == "[::1]:8060" and now.admin.is_chosen
    assert asyncio.run(read(SHIPPED)) == here


def test_every_problem_is_the_one_that_was_found(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text(BROKEN)
    with pytest.raises(ConfigError) as here:
        load_config(path)
    with pytest.raises(ConfigError) as now:
        read_now(path)
    with pytest.raises(ConfigError) as looped:
        asyncio.run(read(path))
    assert now.value.problems == looped.value.problems == here.value.problems
    assert str(now.value) == str(here.value) and len(here.value.problems) > 2


@pytest.mark.parametrize("read_it", [read_now, lambda path: asyncio.run(read(path))])
def test_a_file_that_cannot_be_had_is_told(tmp_path, read_it):
    with pytest.raises(ConfigError, match="no such file"):
        read_it(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory\)"):
        read_it(tmp_path)


def test_a_file_that_cannot_be_read_to_its_end_is_given_up(silent, monkeypatch):
    monkeypatch.setattr(reader, "PATIENCE", 0.05)
    with pytest.raises(ConfigError, match="is its file system there"):
        read_now(silent)
    with pytest.raises(ConfigError, match="is its file system there"):
        asyncio.run(read(silent))


def test_a_loop_that_ends_meanwhile_hears_nothing_of_it(silent, capfd):
    async def give_up() -> None:
        task = asyncio.ensure_future(read(silent))
        while not readers():
            await asyncio.sleep(0.001)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(give_up())
    with silent.open("wb") as there:
        there.write(SMALL.encode())
    for thread in readers():
        thread.join()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait(silent, number):
    program = (
        "import signal, sys; from pathlib import Path; "
        "from proxy.config.reader import read_now; "
        "leave = lambda *_: sys.exit(7); "
        f"signal.signal({int(number)}, leave); print('reading', flush=True); "
        "read_now(Path(sys.argv[1]))"
    )
    line = [sys.executable, "-c", program, str(silent)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(line, **pipes) as child:
        assert child.stdout.readline() == b"reading\n"
        while len(list(Path(f"/proc/{child.pid}/task").iterdir())) == 1:
            time.sleep(0.001)
        child.send_signal(number)
        assert child.communicate(timeout=10) == (b"", b"")
    assert child.returncode == 7
