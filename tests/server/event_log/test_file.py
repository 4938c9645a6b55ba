"""The file of an event log is its owner's alone, new, bounded, and read with care."""

import json
import os
import stat

import pytest

from proxy.server.event_log.file import (
    FORMAT,
    EventLogError,
    EventLogFile,
    read_lines,
)

HEAD = {"format": FORMAT}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events"


def test_only_its_owner_may_read_it(path):
    before = os.umask(0)
    try:
        EventLogFile(path).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["file", "link", "dangling"])
def test_what_is_there_is_not_touched(path, kind):
    target = path.with_name("target")
    if kind != "dangling":
        target.write_text("mine")
    path.symlink_to(target) if kind != "file" else path.write_text("mine")
    with pytest.raises(EventLogError, match="name a file that is not"):
        EventLogFile(path)
    assert kind == "dangling" or path.read_text() == "mine"
    assert kind != "dangling" or not target.exists()


def test_a_folder_that_is_not_there_is_told(path):
    with pytest.raises(EventLogError, match="cannot record into"):
        EventLogFile(path / "events")


def test_it_ends_when_it_is_full_and_keeps_the_beginning(path):
    file = EventLogFile(path, limit=60)
    file.write(HEAD)
    file.write({"step": 1, "text": "x" * 60})
    assert not file.is_open
    file.write({"step": 2})
    assert list(read_lines(path)) == [HEAD]


def test_a_start_that_is_tried_again_begins_it_anew(path):
    file = EventLogFile(path)
    for number in range(3):
        file.write({**HEAD, "number": number})
    file.restart()
    file.write({**HEAD, "number": 9})
    file.close()
    assert list(read_lines(path)) == [{**HEAD, "number": 9}]


def test_a_full_disk_ends_it(path):
    file = EventLogFile(path)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, file._file)
    os.close(full)
    file.write(HEAD)
    assert not file.is_open


def test_a_last_line_that_was_cut_short_is_left_out(path):
    path.write_text(json.dumps(HEAD) + '\n{"step": 1}\n{"st')
    assert list(read_lines(path)) == [HEAD, {"step": 1}]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"format": 99}\n', "no event log of this version"),
        ("[]\n", "no event log of this version"),
        ('{"format": 1}\nnonsense\n{}\n', "line 2: no JSON value"),
        ("\xff\n", "cannot be read"),
    ],
)
def test_what_is_no_event_log_is_told(path, text, why):
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(EventLogError, match=why):
        list(read_lines(path))
    with pytest.raises(EventLogError, match="cannot be read"):
        list(read_lines(path.with_name("none")))
