"""``waypost user``: who may register with a password."""

import io

import pytest

from proxy.sip.digest import ha1_of
from tests.support.console import in_store


@pytest.fixture
def give_password(monkeypatch):
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text + "\n"))


def test_a_user_is_made_listed_changed_and_removed(waypost, give_password):
    give_password("correct horse")
    assert waypost("user", "new", "alice", "--password-stdin") == 0
    assert waypost.out == "created user alice in realm contoso.test\n"
    waypost("user", "list", "--json")
    (user,) = waypost.json
    assert (user["name"], user["algorithms"]) == ("alice", ["SHA-256"])
    give_password("battery staple")
    assert waypost("user", "set", "alice", "--password-stdin") == 0
    assert waypost("user", "remove", "alice") == 0
    waypost("user", "list")
    assert waypost.out == "no users\n"


def test_only_the_hash_of_a_password_is_kept(waypost, give_password, config_file):
    give_password("correct horse")
    waypost("user", "new", "alice", "--password-stdin")
    (user,) = in_store(config_file, lambda operator: operator.store.users())
    expected = ha1_of("SHA-256", "alice", "contoso.test", "correct horse")
    assert user.ha1 == {"SHA-256": expected}
    waypost("user", "list", "--json")
    assert expected not in waypost.out


def test_md5_is_only_kept_where_it_is_switched_on(waypost, give_password, config_file):
    with config_file.open("a") as file:
        file.write('[registrar]\nalgorithms = ["SHA-256", "MD5"]\n')
    give_password("correct horse")
    waypost("user", "new", "alice", "--password-stdin")
    (user,) = in_store(config_file, lambda operator: operator.store.users())
    assert set(user.ha1) == {"SHA-256", "MD5"}


@pytest.mark.parametrize(
    ("line", "password", "said"),
    [
        (("new", "alice@elsewhere.test"), "long enough", "is not a domain we answer"),
        (("new", "alice"), "short", "at least 8 characters"),
        (("set", "nobody"), "long enough", 'there is no user "nobody"'),
    ],
)
def test_a_user_that_cannot_be_is_refused(waypost, give_password, line, password, said):
    give_password(password)
    assert waypost("user", *line, "--password-stdin") == 1
    assert said in waypost.err


def test_a_second_user_of_one_name_is_refused(waypost, give_password):
    for code in (0, 1):
        give_password("correct horse")
        assert waypost("user", "new", "alice", "--password-stdin") == code
    assert "waypost user set alice" in waypost.err


def test_without_a_terminal_nobody_is_asked_for_a_password(waypost, give_password):
    give_password("correct horse")
    assert waypost("user", "new", "alice") == 1
    assert "--password-stdin" in waypost.err


def test_check_says_when_nobody_could_register(waypost, give_password, config_file):
    with config_file.open("a") as file:
        file.write("[registrar]\nenabled = true\n")
    waypost("endpoint", "get")  # makes the store
    assert waypost("config", "check") == 3
    assert "nobody could register" in waypost.out
    give_password("correct horse")
    waypost("user", "new", "alice", "--password-stdin")
    assert waypost("config", "check") == 0
    assert "1 user; no network trusted" in waypost.out


def test_check_says_when_a_password_does_not_fit_the_realm(
    waypost, give_password, config_file
):
    give_password("correct horse")
    waypost("user", "new", "alice", "--password-stdin")
    with config_file.open("a") as file:
        file.write('[registrar]\nenabled = true\nrealm = "elsewhere"\n')
    assert waypost("config", "check") == 3
    assert "alice: a password for another realm" in waypost.out
