"""Files that are whole or not there, whoever is in the way."""

import os
from pathlib import Path

import pytest

from proxy.admin.files import (
    READER,
    WRITER,
    make_whole,
    printed,
    read_whole,
    write_whole,
)


def test_a_new_file_has_its_mode_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_whole(path, b"one", 0o600)
    assert path.read_bytes() == b"one" and path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_replaced_keeps_its_mode_and_a_link_stays_one(tmp_path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    write_whole(link, b"new", 0o600)
    assert link.is_symlink() and real.read_bytes() == b"new"
    assert real.stat().st_mode & 0o777 == 0o640


def test_what_is_no_plain_file_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(pipe, b"through")
    assert os.read(reader, 100) == b"through" and pipe.is_fifo()
    os.close(reader)


def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def no_room(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(OSError, match="no room"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_making_a_file_writes_over_none(tmp_path: Path) -> None:
    path = tmp_path / "a"
    make_whole(path, b"one", 0o600)
    with pytest.raises(FileExistsError):
        make_whole(path, b"two", 0o600)
    assert path.read_bytes() == b"one" and list(tmp_path.iterdir()) == [path]


def test_where_there_are_no_hard_links_it_is_renamed(tmp_path, monkeypatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "a"
    make_whole(path, b"one", 0o600)
    assert path.read_bytes() == b"one"
    with pytest.raises(PermissionError):
        make_whole(path, b"two", 0o600)


def test_no_more_is_read_than_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_whole(path) == b"12345" and read_whole(path, 3) == b"123"


def test_of_somebody_at_another_machine_the_files_are_there(tmp_path: Path) -> None:
    path, written = tmp_path / "a", []
    tokens = (
        READER.set(lambda path: b"theirs"),
        WRITER.set(lambda path, data: written.append(data)),
    )
    try:
        assert read_whole(path) == b"theirs" and read_whole(path, 3) == b"the"
        write_whole(path, b"to them")
    finally:
        READER.reset(tokens[0])
        WRITER.reset(tokens[1])
    assert written == [b"to them"] and not path.exists()


def test_the_files_for_powershell_are_ascii() -> None:
    assert "function" in printed("Waypost.psm1") and printed("Get-WaypostFacts.ps1")
