"""``waypost binding``, and endpoints whose address somebody is registered for."""

import time

import pytest

from proxy.location.binding import Binding, BindingChange
from proxy.store import Conflict
from tests.support.console import in_store


def bind(config_file, aor="ocschat@contoso.test"):
    now = time.time()  # noqa: TID251
    made = Binding(
        aor, b"k", b"sip:lookup@10.0.0.9:5060", b"<sip:lookup@10.0.0.9:5060>", 1.0,
        now + 600, now - 60, b"c", 1, user_agent="RTC/3.5", source="udp:10.0.0.9:5060",
    )  # fmt: skip
    change = BindingChange(made.aor, made.key, made)
    in_store(config_file, lambda operator: operator.store.save_bindings([change]))


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
    (row,) = in_store(config_file, lambda operator: operator.store.history())
    assert row.verb == "endpoint.new --force"


def test_force_without_need_is_an_ordinary_creation(waypost, config_file):
    assert waypost(*NEW, "--force") == 0
    (row,) = in_store(config_file, lambda operator: operator.store.history())
    assert row.verb == "endpoint.new"


def test_a_conflict_is_shown_with_its_endpoint(waypost, config_file):
    waypost(*NEW)
    now = time.time() + 1  # noqa: TID251
    conflict = Conflict(
        "ocschat@contoso.test", "udp:10.0.0.9", "RTC/3.5", "sip:c", now, now, 3
    )
    in_store(config_file, lambda operator: operator.store.note_conflict(conflict))
    waypost("endpoint", "get", "ocschat@contoso.test")
    assert "the old service at udp:10.0.0.9 (RTC/3.5) still registers: 3 times" in (
        waypost.out
    )
    waypost("endpoint", "get", "--json")
    assert waypost.json[0]["conflicts"][0]["count"] == 3
