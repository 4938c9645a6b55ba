"""What the first day finds on a machine, and what it writes there."""

import os
from pathlib import Path

import pytest

from proxy.admin.control import ControlError
from proxy.admin.first_day import machine
from proxy.admin.first_day.answers import EVERYWHERE
from proxy.admin.first_day.machine import Placed, must_not_be_there, place
from proxy.config.file import default_text
from tests.support.small_disk import needs_root


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "etc" / "waypost.toml"


def test_a_file_and_its_folder_are_made_with_the_mode_that_is_asked(file) -> None:
    done = Placed()
    place(file, "new", 0o640, done)
    assert file.read_text() == "new" and file.stat().st_mode & 0o777 == 0o640
    assert done == Placed([file], [])


def test_the_same_again_writes_nothing(file: Path) -> None:
    place(file, "new", 0o640, Placed())
    done = Placed()
    place(file, "new", 0o640, done)
    assert done == Placed()


def test_an_old_file_stays_beside_the_new_one_and_none_is_written_over(file) -> None:
    for text in ("one", "two", "three"):
        place(file, text, 0o600, done := Placed())
    assert file.read_text() == "three"
    assert (file.parent / "waypost.toml.old").read_text() == "one"
    assert done.kept == [file.parent / "waypost.toml.old1"]
    assert done.kept[0].read_text() == "two"


def test_the_default_as_shipped_is_nobody_s_and_is_not_kept(file: Path) -> None:
    place(file, default_text(), 0o600, Placed())
    must_not_be_there({file: "new"}, is_forced=False)
    place(file, "new", 0o600, done := Placed())
    assert done.kept == [] and list(file.parent.iterdir()) == [file]


def test_what_somebody_else_may_have_written_asks_for_force(file: Path) -> None:
    must_not_be_there({file: "new"}, is_forced=False)
    place(file, "theirs", 0o600, Placed())
    must_not_be_there({file: "theirs"}, is_forced=False)
    with pytest.raises(ControlError, match=rf"{file} is there already"):
        must_not_be_there({file: "new"}, is_forced=False)
    must_not_be_there({file: "new"}, is_forced=True)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("x")
    with pytest.raises(ControlError, match="cannot be written"):
        place(blocked / "waypost.toml", "new", 0o600, Placed())
    with pytest.raises(ControlError, match="cannot be written"):
        machine.give_to(tmp_path / "none", 0, 0, 0o600)


def test_units_name_our_command_and_the_address_that_was_chosen() -> None:
    found = {
        path.name: text
        for path, text in machine.units("/x/waypost", "[::1]:5070").items()
    }
    assert set(found) == {"waypost.conf", "waypost.service", "waypost.socket"}
    assert "ExecStart=/x/waypost serve" in found["waypost.service"]
    assert "/opt/waypost" not in found["waypost.service"]
    assert "ListenStream=[::1]:5070" in found["waypost.socket"]
    assert EVERYWHERE not in found["waypost.socket"]


def test_a_package_s_socket_unit_is_overruled_only_for_another_address() -> None:
    assert machine.socket_of(EVERYWHERE) == {}
    ((path, text),) = machine.socket_of("10.1.2.3:5070").items()
    assert path.name == "listen.conf" and "ListenStream=\n" in text
    assert "ListenDatagram=10.1.2.3:5070" in text


def test_the_units_of_a_package_are_seen(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(machine, "PACKAGED", (tmp_path,))
    assert not machine.has_units()
    (tmp_path / "waypost.service").touch()
    assert machine.has_units()


@needs_root
def test_the_folder_of_the_store_belongs_to_the_account(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(machine, "STORE", tmp_path / "lib" / "waypost")
    import pwd

    machine.make_store_folder(pwd.getpwnam("nobody"))
    found = machine.STORE.stat()
    assert found.st_uid == pwd.getpwnam("nobody").pw_uid
    assert found.st_mode & 0o777 == 0o750
    machine.make_store_folder(None)  # what is there stays as it is
    assert machine.STORE.stat().st_uid == found.st_uid != os.geteuid()
