"""Whether the addresses of a configuration can be had."""

import socket

import pytest

from proxy.admin.places import Places
from proxy.config import load_config
from proxy.config.values import HostPort
from tests.support.ports import free_address

HOST = "127.0.0.5"


@pytest.fixture
def address():
    return free_address(HOST)


@pytest.fixture
def look(tmp_path, address):
    def found(transport="udp", admin="", where=address):
        path = tmp_path / "waypost.toml"
        path.write_text(
            '[proxy]\ndomains = ["contoso.test"]\n[[listen]]\n'
            f'transport = "{transport}"\naddress = "{where[0]}:{where[1]}"\n'
            f'[admin]\nlisten = "{admin}"\n'
        )
        places = Places(load_config(path, {})).look()
        return {name: (verdict, text) for name, verdict, text in places}

    return found


def nobody():
    return "{}:{}".format(*free_address(HOST))


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_what_can_be_had_is_ok_and_given_back(look, address, transport):
    for _ in range(2):
        assert look(transport, nobody()) == {
            "listen": ("ok", f"{transport} {address[0]}:{address[1]}")
        }


def test_without_pages_nobody_can_ask_the_service(look):
    verdict, text = look()["admin"]
    assert verdict == "warning" and 'listen = "127.0.0.1:8060"' in text


def test_what_somebody_else_has_is_no_ok(look, address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(address)
        verdict, text = look()["listen"]
        assert verdict == "unknown" and "cannot be seen without [admin]" in text
        verdict, text = look(admin=nobody())["listen"]
    assert verdict == "warning" and "in use by another process" in text
    assert "a start waits" in text


def test_an_address_of_no_interface_is_no_ok(look):
    verdict, text = look(where=("192.0.2.77", 5060))["listen"]
    assert verdict == "warning" and "192.0.2.77:5060" in text


def test_the_pages_are_told_of_when_others_have_them(look):
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        taken = "{}:{}".format(*other.getsockname())
        assert look(admin=taken)["admin"][0] == "warning"


def test_the_console_may_have_its_address_itself(look, address, tmp_path):
    look()
    places = Places(load_config(tmp_path / "waypost.toml", {}))
    where = HostPort(*address)
    assert places.console(where)[0] == "ok"
    with socket.socket() as other:
        other.bind(address)
        other.listen()
        verdict, text = places.console(where)
    assert verdict == "unknown" and "the console itself" in text
