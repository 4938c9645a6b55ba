"""Log lines never wait for their reader: kept up to a limit, then dropped and told."""

import fcntl
import io
import json
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from proxy.telemetry.outlet import KEPT, Outlet, outlet_of
from tests.support.small_disk import fill, make_room, needs_root, small_disk

LINE = "x" * 999 + "\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    read, write = os.pipe()
    with open(write, "w") as stream:
        yield read, stream
    os.close(read)


def read_all(descriptor: int) -> bytes:
    os.set_blocking(descriptor, False)
    found = b""
    while select.select([descriptor], [], [], 0.2)[0]:
        data = os.read(descriptor, 1 << 16)
        if not data:
            break
        found += data
    return found


def test_a_reader_that_stands_still_holds_up_nobody_and_costs_bounded_memory(
    pipe: tuple[int, TextIO],
) -> None:
    outlet = outlet_of(pipe[1])
    kept = sum(outlet.put(LINE) for _ in range(5_000))
    assert kept < KEPT // 1000 + 200
    assert outlet.written == kept
    assert outlet.dropped == 5_000 - kept


def test_one_line_tells_how_many_are_missing_where_they_are(
    pipe: tuple[int, TextIO],
) -> None:
    outlet = outlet_of(pipe[1])
    kept = sum(outlet.put(LINE) for _ in range(5_000))
    lines: list[bytes] = []
    while len(lines) <= kept:
        lines += read_all(pipe[0]).splitlines()
        outlet.put("")
    outlet.put("after\n")
    after = read_all(pipe[0])
    assert lines[:kept] == [LINE.strip().encode()] * kept
    told = json.loads(lines[kept])
    assert (told["event"], told["count"]) == ("log.lines_dropped", 5_000 - kept)
    assert after == b"after\n"


def test_the_descriptor_that_others_share_keeps_its_mode(
    pipe: tuple[int, TextIO],
) -> None:
    outlet_of(pipe[1]).put(LINE)
    assert not fcntl.fcntl(pipe[1].fileno(), fcntl.F_GETFL) & os.O_NONBLOCK


def test_a_socket_as_a_journal_has_it_is_never_waited_for() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, open(os.dup(ours.fileno()), "w") as stream:
        outlet = outlet_of(stream)
        for _ in range(5_000):
            outlet.put(LINE)
        assert outlet.dropped > 3_000
        assert not fcntl.fcntl(ours, fcntl.F_GETFL) & os.O_NONBLOCK
        outlet.forget()  # the socket that it has opened for itself


def test_a_pipe_that_cannot_be_opened_again_is_asked_before_each_write(
    pipe: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", refuse)
    outlet = outlet_of(pipe[1])
    for _ in range(5_000):
        outlet.put(LINE)
    assert outlet.dropped > 3_000


def test_a_reader_that_has_gone_is_counted_and_nothing_more() -> None:
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as stream:
        outlet = outlet_of(stream)
        outlet.put(LINE)
        assert (outlet.written, outlet.dropped) == (0, 1)


def test_the_end_of_the_process_waits_a_moment_and_no_longer(
    pipe: tuple[int, TextIO],
) -> None:
    outlet = outlet_of(pipe[1])
    for _ in range(500):
        outlet.put(LINE)
    outlet.drain(patience=0.05)
    read_all(pipe[0])
    outlet.drain(patience=0.05)
    assert b"x" in read_all(pipe[0])


def test_a_file_gets_every_line(tmp_path: object) -> None:
    with open(f"{tmp_path}/log", "a+") as stream:
        outlet_of(stream).put("ä\udc80\n")
        stream.seek(0)
        assert stream.buffer.read() == b"\xc3\xa4\\udc80\n"


@needs_root
def test_a_line_that_a_full_disk_took_half_of_is_ended_when_there_is_room(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk") as disk, (disk / "log").open("w") as stream:
        outlet = outlet_of(stream)
        assert outlet.put("first\n")
        fill(disk)
        kept = sum(outlet.put(LINE) for _ in range(3_000))
        assert outlet.dropped == 3_000 - kept > 0
        make_room(disk)
        assert outlet.put("after\n")
        lines = (disk / "log").read_text().splitlines()
        assert lines[: kept + 1] == ["first", *[LINE.strip()] * kept]
        assert json.loads(lines[kept + 1])["count"] == outlet.dropped
        assert lines[kept + 2 :] == ["after"]


def test_a_stream_in_memory_is_written_as_it_is() -> None:
    stream = io.StringIO()
    Outlet(stream).put("one\n")
    assert stream.getvalue() == "one\n"


def test_a_forked_child_does_not_write_what_its_parent_kept(
    pipe: tuple[int, TextIO],
) -> None:
    outlet = outlet_of(pipe[1])
    for _ in range(100):
        outlet.put(LINE)
    child = os.fork()
    if child == 0:
        outlet.put("child\n")
        os._exit(0 if outlet.written == 1 and outlet_of(pipe[1]) is outlet else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    lines: list[bytes] = []
    while len(lines) < 100:
        lines += read_all(pipe[0]).splitlines()
        outlet.put("")
    assert lines.count(LINE.strip().encode()) == 100
