"""Whether the service's account owns a store's file, and may write it."""

import os
from pathlib import Path

import pytest

from proxy.admin.storage.account import may, name_of, steps
from tests.support.small_disk import needs_root

NOBODY = 65534


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o750)
    path = folder / "waypost.db"
    path.touch(mode=0o600)
    return path


def verdicts(path: Path) -> dict[str, tuple[str, str]]:
    return {step.name: (step.verdict, step.text) for step in steps(path)}


def test_a_file_of_its_own_is_well(file: Path) -> None:
    found = verdicts(file)
    assert {verdict for verdict, _ in found.values()} == {"ok"}
    assert found["mode"] == ("ok", "0600")


def test_what_others_may_read_is_doubted_and_the_command_named(file: Path) -> None:
    file.chmod(0o640)
    (step,) = (x for x in steps(file) if x.name == "mode")
    assert step.verdict == "warning" and f'"chmod 600 {file}*"' in step.fix


@needs_root
def test_a_file_of_another_account_than_the_service_s_fails(file: Path) -> None:
    os.chown(file.parent, NOBODY, NOBODY)
    os.chown(file, 1234, 1234)
    found = {step.name: step for step in steps(file)}
    assert found["owner"].verdict == "failed"
    assert f"chown {name_of(NOBODY)}:" in found["owner"].fix
    assert found["writable"].verdict == "failed"


@needs_root
def test_the_log_beside_it_counts_and_so_does_the_folder(file: Path) -> None:
    for path in (file.parent, file):
        os.chown(path, NOBODY, NOBODY)
    assert verdicts(file)["writable"][0] == "ok"
    log = Path(f"{file}-wal")
    log.touch(mode=0o600)
    os.chown(log, 1234, 1234)
    assert str(log) in verdicts(file)["writable"][1]
    os.chown(log, NOBODY, NOBODY)
    file.parent.chmod(0o550)
    assert "may not make files" in verdicts(file)["writable"][1]


@needs_root
@pytest.mark.parametrize(
    ("mode", "uid", "bits", "allowed"),
    [
        (0o600, NOBODY, 0o6, True),
        (0o600, NOBODY, 0o7, False),
        (0o007, NOBODY, 0o4, False),  # the owner's bits count, not the others'
        (0o004, 1234, 0o4, True),
        (0o004, 1234, 0o6, False),
        (0o000, 0, 0o7, True),  # root may everything
    ],
)
def test_rights_are_those_of_the_nearest_kind(file, mode, uid, bits, allowed) -> None:
    os.chown(file, NOBODY, 4321)
    file.chmod(mode)
    assert may(file, uid, bits) is allowed


def test_an_account_without_a_name_is_its_number() -> None:
    assert name_of(0) == "root" and name_of(3_999_999) == "3999999"
