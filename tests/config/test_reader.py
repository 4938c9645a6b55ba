"""The file read by a process of its own: the same values, the same sentences."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from proxy import __version__
from proxy.config import Config, ConfigError, load_config, reader
from proxy.config.packed import pack, unpack
from proxy.config.reader import Reading
from tests.support.configuration import SMALL

SHIPPED = Path(__file__).parents[2] / "config" / "waypost.toml"
BROKEN = '[proxy]\ndomian = ["x"]\n[attempts]\ntotal = 1.0\n'


def in_a_process(path: Path) -> Config:
    with Reading(path) as reading:
        return reading.result()


def sentence(error: pytest.ExceptionInfo[ConfigError]) -> str:
    (problem,) = error.value.problems
    return str(problem)


@pytest.fixture
def python(tmp_path, monkeypatch):
    """What is run in place of Python: a script of the test's."""

    def put(script: str) -> Path:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))
        return tmp_path / "waypost.toml"

    return put


@pytest.fixture
def silent(tmp_path):
    """A file whose reader waits for ever."""
    path = tmp_path / "silent.toml"
    os.mkfifo(path)
    return path


def test_every_value_arrives_as_it_was_read(monkeypatch):
    monkeypatch.setenv("WAYPOST_ADMIN_LISTEN", "[::1]:8060")
    monkeypatch.setenv("WAYPOST_ATTEMPTS_TOTAL", "20")
    read, here = in_a_process(SHIPPED), load_config(SHIPPED)
    assert read == here and read.path == here.path == SHIPPED
    assert repr(read.attempts.total) == "20.0"
    assert read.admin.listen == "[::1]:8060" and read.admin.is_chosen


def test_what_no_key_says_arrives_too(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    read = unpack(json.loads(json.dumps(pack(load_config(path, {})))))
    assert not read.admin.is_chosen and read.path == path


def test_every_problem_arrives_as_it_was_found(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text(BROKEN)
    with pytest.raises(ConfigError) as here:
        load_config(path)
    with pytest.raises(ConfigError) as read:
        in_a_process(path)
    assert read.value.problems == here.value.problems
    assert str(read.value) == str(here.value) and len(here.value.problems) > 2


def test_reading_in_an_event_loop_is_the_same(tmp_path):
    assert asyncio.run(reader.read(SHIPPED)) == load_config(SHIPPED)
    with pytest.raises(ConfigError, match="no such file"):
        asyncio.run(reader.read(tmp_path / "absent.toml"))


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo half; echo no memory >&2; exit 1", "failed (exit code 1: no memory)"),
        ("kill -9 $$", "failed (killed by signal 9)"),
        ("""echo '{"version": "0"}'""", "restart the service"),
        (f"""echo '{{"version": "{__version__}", "config": {{}}}}'""", "replaced on"),
    ],
)
def test_a_process_that_fails_is_told(python, script, expected):
    path = python(script)
    with pytest.raises(ConfigError) as waited:
        in_a_process(path)
    with pytest.raises(ConfigError) as looped:
        asyncio.run(reader.read(path))
    assert sentence(waited) == sentence(looped)
    assert sentence(waited).startswith(f"{path}: ") and expected in sentence(waited)


def test_a_process_that_cannot_be_started_is_told(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(ConfigError, match=r"could not be started.*No such file"):
        in_a_process(SHIPPED)
    with pytest.raises(ConfigError, match=r"could not be started.*No such file"):
        asyncio.run(reader.read(SHIPPED))


def test_a_file_that_cannot_be_read_to_its_end_is_given_up(silent, monkeypatch):
    monkeypatch.setattr(reader, "PATIENCE", 0.05)
    with pytest.raises(ConfigError, match="is its file system there"):
        in_a_process(silent)
    with pytest.raises(ConfigError, match="is its file system there"):
        asyncio.run(reader.read(silent))
    assert children() == []


def test_who_leaves_before_the_end_leaves_nobody_behind(silent):
    with pytest.raises(SystemExit), Reading(silent):
        raise SystemExit(0)  # as SIGTERM does while we start
    assert children() == []

    async def give_up() -> None:
        task = asyncio.ensure_future(reader.read(silent))
        while not children():
            await asyncio.sleep(0.001)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(give_up())
    assert children() == []


def test_nothing_that_is_open_here_is_open_there(python, tmp_path):
    """Sockets of the service manager are inheritable until they are taken over."""
    path = python(f"ls -l /proc/$$/fd > {tmp_path}/open")
    reading, writing = os.pipe()
    try:
        os.set_inheritable(reading, True)
        with pytest.raises(ConfigError):
            in_a_process(path)
    finally:
        os.close(reading)
        os.close(writing)
    there = (tmp_path / "open").read_text()
    assert "pipe:" in there and f" {reading} -> " not in there


def test_a_service_that_stands_in_a_foreign_directory_imports_nothing_from_it(
    tmp_path, monkeypatch
):
    (tmp_path / "proxy.py").write_text("raise SystemExit('not from here')")
    monkeypatch.chdir(tmp_path)
    assert in_a_process(SHIPPED) == load_config(SHIPPED)


def test_what_is_said_is_one_line_of_json(tmp_path):
    program = "from proxy.config.packed import main; main()"
    line = [sys.executable, "-c", program, tmp_path / "absent.toml"]
    done = subprocess.run(line, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    (said,) = done.stdout.splitlines()
    assert "no such file" in json.loads(said)["problems"][0]["text"]


def children() -> list[int]:
    """Our children that have not been waited for."""
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in found]
