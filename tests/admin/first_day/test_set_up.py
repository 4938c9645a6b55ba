"""``waypost init`` for a file of one's own: what it writes, and what to type next."""

from pathlib import Path

import pytest

from proxy.admin.control import ControlError
from proxy.admin.first_day import machine, set_up
from proxy.admin.first_day.answers import Answers
from proxy.config import load_config
from proxy.config.values import HostPort

ANSWERS = Answers(
    *(("contoso.com",), "pcpool.contoso.com", "sip:ocschat@contoso.com"),
    *(HostPort("127.0.0.5", 5060), "proxy.contoso.com"),
)


@pytest.fixture
def file(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setattr(machine, "account", lambda: None)
    return tmp_path / "waypost.toml"


def begin(file: Path, answers: Answers = ANSWERS, *, is_forced: bool = False):
    return set_up.set_up(file, answers, is_forced, wants_units=True)


def test_the_file_loads_and_its_store_stands_beside_it(file: Path) -> None:
    begun = begin(file)
    config = load_config(file, {})
    assert config.domains == {"contoso.com"}
    assert config.advertised_host == "proxy.contoso.com"
    assert begun.store == config.store_url == f"sqlite:///{file.parent}/waypost.db"
    assert (begun.written, begun.kept) == ([file], [])
    assert file.stat().st_mode & 0o777 == 0o600


def test_nothing_else_of_the_machine_changes(file: Path) -> None:
    begin(file)
    assert {x.name for x in file.parent.iterdir()} <= {
        *("waypost.toml", "waypost.db", "waypost.db-wal", "waypost.db-shm"),
        "admin.token",
    }


def test_the_commands_that_follow_name_file_pool_and_address(file: Path) -> None:
    begun = begin(file)
    assert [line.split()[-1] for line in begun.next[-2:]] == ["serve", "doctor"]
    assert "pool show pcpool.contoso.com" in begun.next[0]
    assert "--sip-address sip:ocschat@contoso.com" in begun.next[1]
    assert all(f"--config {file}" in line for line in begun.next)


def test_a_file_that_is_there_stays_without_force_and_is_kept_with_it(file) -> None:
    begin(file)
    other = Answers(("fabrikam.com",), *("p.fabrikam.com", "sip:c@fabrikam.com"),
                    ANSWERS.listen, None)  # fmt: skip
    with pytest.raises(ControlError, match="--force replaces it"):
        begin(file, other)
    assert load_config(file, {}).domains == {"contoso.com"}
    begun = begin(file, other, is_forced=True)
    assert load_config(file, {}).domains == {"fabrikam.com"}
    assert len(begun.kept) == 1 and "contoso.com" in begun.kept[0].read_text()


def test_answers_that_do_not_go_together_write_nothing(file: Path) -> None:
    everywhere = HostPort("0.0.0.0", 5060)
    nobody = Answers(
        *(("contoso.com",), "p.test", "sip:c@contoso.com", everywhere, None)
    )
    with pytest.raises(ControlError, match="do not go together"):
        begin(file, nobody)
    assert list(file.parent.iterdir()) == []


def test_a_short_name_of_the_machine_is_doubted(file: Path) -> None:
    short = Answers(*(("contoso.com",), "p.test", "sip:c@contoso.com"),
                    ANSWERS.listen, "box")  # fmt: skip
    (note,) = begin(file, short).notes
    assert 'advertised_host is "box"' in note
    assert begin(file.with_name("other.toml")).notes == []


def test_it_is_well_only_if_every_check_is(file: Path) -> None:
    begun = begin(file)
    assert begun.ok and begun.checks and begun.to_json()["ok"] is True
    failed = type(begun.checks[0])("config", "failed", "x")
    begun.checks.append(failed)
    assert not begun.ok and begun.to_json()["ok"] is False


def test_where_the_file_goes_unless_it_is_named(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WAYPOST_CONFIG", raising=False)
    assert set_up.where("x.toml") == Path("x.toml").absolute()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert set_up.where(None) == machine.CONFIG
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert set_up.where(None) == Path("waypost.toml").absolute()
    monkeypatch.setenv("WAYPOST_CONFIG", str(tmp_path / "y.toml"))
    assert set_up.where(None) == tmp_path / "y.toml"
