"""Warnings about pools that DNS does not know, beside every change."""

import socket
import time

import pytest

from tests.cli.commands.test_pool import running_zone

KNOWN = {
    "_sip._udp.pcpool.contoso.test SRV": "0 0 5060 fe1.contoso.test.",
    "fe1.contoso.test A": "127.0.0.1",
}


@pytest.fixture
def zone(monkeypatch):
    with running_zone(KNOWN) as address:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", address)
        yield


@pytest.mark.parametrize("what_if", [(), ("--what-if",)])
def test_a_pool_that_dns_does_not_know_is_a_warning_with_what_was_meant(
    waypost, zone, what_if
):
    waypost.create()
    assert waypost.err == ""
    new = ("--sip-address", "b@contoso.test", "--pool-fqdn", "pcpol.contoso.test")
    assert waypost("endpoint", "new", *new, *what_if) == 0
    warning = "warning: no call can reach pcpol.contoso.test yet"
    assert warning in waypost.err and "warning" not in waypost.out
    assert 'did you mean "pcpool.contoso.test"?' in waypost.err
    change = ("ocschat@contoso.test", "--pool-fqdn", "pcpol.contoso.test")
    assert waypost("endpoint", "set", *change, *what_if, "--json") == 0
    (text,) = waypost.json["warnings"]
    assert "no call can reach pcpol.contoso.test yet" in text


def test_what_a_change_does_not_touch_is_not_asked_for(waypost, zone):
    waypost.create(pool="elsewhere.example")
    assert "warning" in waypost.err and "did you mean" not in waypost.err
    waypost("endpoint", "set", "ocschat@contoso.test", "--display-name", "Chat")
    assert waypost.err == ""
    waypost("endpoint", "remove", "ocschat@contoso.test")
    assert waypost.err == ""


def test_so_it_is_in_a_plan(waypost, zone, tmp_path):
    waypost.create()
    plan = tmp_path / "weekend.toml"
    plan.write_text(
        '[[change]]\nsip_address = "ocschat@contoso.test"\n'
        'pool_fqdn = "pcpol.contoso.test"\n'
    )
    assert waypost("cutover", "plan", str(plan)) == 0
    assert 'did you mean "pcpool.contoso.test"?' in waypost.err
    waypost("cutover", "plan", str(plan), "--json")
    assert len(waypost.json["warnings"]) == 1


def test_a_name_server_that_is_silent_holds_no_change_up(waypost, monkeypatch):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", address)
        began = time.monotonic()
        waypost.create()
        assert waypost.err == "", "nothing is known, and the doctor says so"
        assert time.monotonic() - began < 4
