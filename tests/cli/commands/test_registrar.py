"""``waypost user`` and ``waypost binding``."""

import asyncio
import io
import time

import pytest

from proxy.location.binding import Binding, BindingChange
from proxy.sip.digest import ha1_of
from proxy.store import Conflict, open_store


@pytest.fixture
def give_password(monkeypatch):
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text + "\n"))


def in_store(config_file, work):
    async def run():
        store = await open_store(f"sqlite:///{config_file.parent}/waypost.db")
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def bind(config_file, aor="ocschat@contoso.test"):
    now = time.time()  # noqa: TID251
    made = Binding(
        aor, b"k", b"sip:lookup@10.0.0.9:5060", b"<sip:lookup@10.0.0.9:5060>", 1.0,
        now + 600, now - 60, b"c", 1, user_agent="RTC/3.5", source="udp:10.0.0.9:5060",
    )  # fmt: skip
    change = BindingChange(made.aor, made.key, made)
    in_store(config_file, lambda store: store.save_bindings([change]))


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
    (user,) = in_store(config_file, lambda store: store.users())
    expected = ha1_of("SHA-256", "alice", "contoso.test", "correct horse")
    assert user.ha1 == {"SHA-256": expected}
    waypost("user", "list", "--json")
    assert expected not in waypost.out


def test_md5_is_only_kept_where_it_is_switched_on(waypost, give_password, config_file):
    with config_file.open("a") as file:
        file.write('[registrar]\nalgorithms = ["SHA-256", "MD5"]\n')
    give_password("correct horse")
    waypost("user", "new", "alice", "--password-stdin")
    (user,) = in_store(config_file, lambda store: store.users())
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


def test_bindings_are_listed_and_removed(waypost, config_file):
    waypost("binding", "list")
    assert waypost.out == "no bindings\n"
    bind(config_file)
    waypost("binding", "list", "sip:OCSChat@contoso.test", "--json")
    (row,) = waypost.json
    assert (row["contact"], row["user_agent"]) == (
        "sip:lookup@10.0.0.9:5060",
        "RTC/3.5",
    )
    waypost("binding", "list")
    assert "udp:10.0.0.9:5060" in waypost.out
    assert waypost("binding", "remove", "ocschat@contoso.test") == 0
    assert waypost("binding", "remove", "ocschat@contoso.test") == 1
    assert "nobody is registered" in waypost.err


NEW = (
    *("endpoint", "new", "--sip-address", "ocschat@contoso.test"),
    *("--pool-fqdn", "pcpool.contoso.test"),
)


@pytest.mark.parametrize("dry", [(), ("--what-if",)])
def test_an_endpoint_is_refused_while_somebody_is_registered(waypost, config_file, dry):
    bind(config_file)
    assert waypost(*NEW, *dry) == 1
    for word in ("sip:lookup@10.0.0.9:5060", "udp:10.0.0.9:5060", "RTC/3.5", "--force"):
        assert word in waypost.err
    waypost("endpoint", "get")
    assert waypost.out == "no endpoints\n"


def test_force_goes_on_and_is_audited(waypost, config_file):
    bind(config_file)
    assert waypost(*NEW, "--force") == 0
    (row,) = in_store(config_file, lambda store: store.history())
    assert row.verb == "endpoint.new --force"


def test_force_without_need_is_an_ordinary_creation(waypost, config_file):
    assert waypost(*NEW, "--force") == 0
    (row,) = in_store(config_file, lambda store: store.history())
    assert row.verb == "endpoint.new"


def test_a_conflict_is_shown_with_its_endpoint(waypost, config_file):
    waypost(*NEW)
    now = time.time() + 1  # noqa: TID251
    conflict = Conflict(
        "ocschat@contoso.test", "udp:10.0.0.9", "RTC/3.5", "sip:c", now, now, 3
    )
    in_store(config_file, lambda store: store.note_conflict(conflict))
    waypost("endpoint", "get", "ocschat@contoso.test")
    assert "the old service at udp:10.0.0.9 (RTC/3.5) still registers: 3 times" in (
        waypost.out
    )
    waypost("endpoint", "get", "--json")
    assert waypost.json[0]["conflicts"][0]["count"] == 3


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
