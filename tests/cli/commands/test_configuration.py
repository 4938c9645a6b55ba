"""waypost config, and what every command says about a bad one."""

import json
import tomllib

import pytest

from proxy.config import load_config
from tests.cli.commands.test_pool import running_zone
from tests.support.ports import free_address


@pytest.fixture
def quiet(config_file, monkeypatch):
    """Addresses that nobody has, and a name server that answers."""
    host, port = free_address("127.0.0.5")
    admin = "{}:{}".format(*free_address("127.0.0.5"))
    text = config_file.read_text().replace("127.0.0.5:5060", f"{host}:{port}")
    config_file.write_text(f'{text}[admin]\nlisten = "{admin}"\n')
    with running_zone({}) as address:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", address)
        yield


@pytest.mark.here
def test_check_prints_a_line_per_step(waypost, quiet):
    assert waypost("config", "check", "--strict") == 0
    assert all(line.startswith("ok ") for line in waypost.out.splitlines())
    assert waypost("config", "check", "--json") == 0
    assert {step["verdict"] for step in waypost.json} == {"ok"}


@pytest.mark.here
def test_check_fits_the_screen(waypost, quiet, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert waypost("config", "check") == 0
    lines = waypost.out.splitlines()
    words = (word for line in lines for word in line.split())
    assert max(map(len, lines)) <= max(60, 20 + max(map(len, words)))
    assert any(line.startswith(" " * 12) for line in lines)


def test_what_is_not_sure_has_an_exit_code_of_its_own(waypost, quiet, monkeypatch):
    nobody = "{}:{}".format(*free_address("127.0.0.5"))
    monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", nobody)
    assert waypost("config", "check") == 0
    assert "DOUBT   dns" in waypost.out
    assert "1 warning" in waypost.out.splitlines()[-1]
    assert waypost("config", "check", "--strict") == 5


@pytest.mark.here
def test_check_fails_with_exit_code_3(waypost, config_file):
    (config_file.parent / "waypost.db").write_bytes(b"no store" * 200)
    assert waypost("config", "check") == 3
    assert "FAILED  store" in waypost.out
    assert waypost.err == "waypost: 1 of 5 checks failed\n"


@pytest.mark.here
def test_show_prints_toml_that_loads_as_the_same_configuration(
    waypost, config_file, tmp_path
):
    assert waypost("config", "show") == 0
    copy = tmp_path / "copy.toml"
    copy.write_text(waypost.out)
    assert load_config(copy, {}).effective() == load_config(config_file, {}).effective()
    assert tomllib.loads(waypost.out)["attempts"]["total"] == 12.0


def test_show_in_json_follows_the_environment(waypost, monkeypatch):
    monkeypatch.setenv("WAYPOST_ATTEMPTS_TOTAL", "20")
    waypost("--json", "config", "show")
    assert waypost.json["attempts"]["total"] == 20


@pytest.mark.here
def test_a_bad_configuration_is_exit_code_3_for_every_command(waypost, config_file):
    config_file.write_text("[proxy]\ndomain = []\n")
    for line in ("endpoint get", "pool list", "config check", "config show", "serve"):
        assert waypost(*line.split()) == 3
        assert (
            f'{config_file}:2: proxy.domain: unknown key; did you mean "domains"?'
            in (waypost.err)
        )
    waypost("endpoint", "get", "--json")
    problems = json.loads(waypost.err)["problems"]
    assert [problem["line"] for problem in problems] == [None, 1, 2]


@pytest.mark.here
def test_the_file_named_before_or_after_the_command_wins(waypost, tmp_path):
    absent = str(tmp_path / "absent.toml")
    for line in (
        ["--config", absent, "endpoint", "get"],
        ["endpoint", "get", f"--config={absent}"],
        ["serve", "--config", absent],
    ):
        assert waypost(*line) == 3
        assert "no such file" in waypost.err
    assert waypost("endpoint", "get", "--config") == 2


@pytest.mark.here
def test_a_damaged_store_is_exit_code_3(waypost, config_file):
    (config_file.parent / "waypost.db").write_bytes(b"no store" * 200)
    assert waypost("endpoint", "get") == 3
    assert "restore a backup" in waypost.err


@pytest.mark.here
def test_every_command_says_which_of_two_files_it_took(
    waypost, config_file, monkeypatch
):
    """A checkout's own file wins over that of a service on the same machine."""
    from pathlib import Path

    from proxy.cli import session

    here = config_file.parent / "config"
    here.mkdir()
    there = config_file.rename(config_file.parent / "etc.toml")
    (here / "waypost.toml").write_bytes(there.read_bytes())
    monkeypatch.chdir(config_file.parent)
    monkeypatch.delenv("WAYPOST_CONFIG")
    searched = (Path("config/waypost.toml"), there)
    monkeypatch.setattr("proxy.config.file.SEARCHED", searched)
    session._tell_once.cache_clear()
    assert waypost("endpoint", "get") == 0
    assert waypost.err.startswith("waypost: note: the configuration is ")
    assert f"--config {there}" in waypost.err
    assert waypost("endpoint", "get", "--config", str(there)) == 0
    assert waypost.err == ""
