"""waypost pool."""

import asyncio
import threading
from contextlib import contextmanager

import pytest

from tests.support.dns import dns_zone

POOL = "pcpool.contoso.test"


def test_set_and_list(waypost):
    waypost.create()
    assert waypost("pool", "set", POOL, "--transport", "tls", "--port", "5041") == 0
    assert waypost.out.splitlines() == [
        f"changed pool {POOL}",
        "  transport: auto -> tls",
        "  port: by SRV -> 5041",
    ]
    waypost("pool", "list")
    assert waypost.out.splitlines()[1].split() == [
        POOL,
        "tls",
        "5041",
        "sip:ocschat@contoso.test",
    ]
    waypost("pool", "set", POOL, "--transport", "auto", "--port", "0")
    waypost("pool", "list", "--json")
    assert waypost.json == [
        {
            "fqdn": POOL,
            "transport": None,
            "port": None,
            "endpoints": ["sip:ocschat@contoso.test"],
            "pending_cutover": None,
        }
    ]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("set pool --port 1", 1),
        (f"set {POOL}", 1),
        (f"set {POOL} --port 70000", 2),
        (f"set {POOL} --transport sctp", 2),
        ("show", 2),
        ("show 10.1.2.3", 1),
    ],
)
def test_what_cannot_be_set_or_shown_is_refused(waypost, line, code):
    assert waypost("pool", *line.split()) == code
    assert waypost.err


@contextmanager
def running_zone(records):
    """A name server in a thread of its own; its address."""
    started, ended = threading.Event(), None
    found = []

    async def serve():
        nonlocal ended
        ended = asyncio.Event()
        async with dns_zone(records) as zone:
            found.extend([zone.address, asyncio.get_running_loop()])
            started.set()
            await ended.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    started.wait(20)
    try:
        yield found[0]
    finally:
        found[1].call_soon_threadsafe(ended.set)
        thread.join()


def test_show_prints_every_record_target_and_address(waypost, monkeypatch):
    records = {
        f"_sip._udp.{POOL} SRV": ["10 60 5060 fe1.test.", "20 0 5060 fe2.test."],
        "fe1.test A": ["127.0.0.21", "127.0.0.22"],
        "fe2.test A": "127.0.0.23",
    }
    with running_zone(records) as address:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", address)
        assert waypost("pool", "show", POOL) == 0
        for part in ("10 60 5060 fe1.test", "127.0.0.22:5060", "127.0.0.23:5060"):
            assert part in waypost.out
        assert waypost("pool", "show", POOL, "--json") == 0
        hosts = [row["host"] for row in waypost.json["dns"]["front_ends"]]
        assert hosts[2] == "127.0.0.23"
        assert sorted(hosts[:2]) == ["127.0.0.21", "127.0.0.22"]


def test_without_a_service_show_says_that_health_is_not_known(waypost, monkeypatch):
    records = {f"{POOL} A": "127.0.0.21"}
    with running_zone(records) as address:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", address)
        monkeypatch.setenv("WAYPOST_ADMIN_LISTEN", "127.0.0.1:9")
        assert waypost("pool", "show", POOL) == 0
        assert f"Asked     : {address}" in waypost.out
        told = "unknown: no service answers at 127.0.0.1:9, so this is DNS alone"
        assert told in waypost.out
        waypost("pool", "show", POOL, "--json")
        assert {x["state"] for x in waypost.json["dns"]["front_ends"]} == {"unknown"}
        assert "no service answers" in waypost.json["service"]["problem"]


def test_without_a_service_show_says_what_the_store_says_of_drains(
    waypost, monkeypatch
):
    waypost.create()
    with running_zone({f"{POOL} A": ["127.0.0.21", "127.0.0.22"]}) as address:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", address)
        monkeypatch.setenv("WAYPOST_ADMIN_LISTEN", "127.0.0.1:9")
        words = ("--for", "2h", "--reason", "a look")
        assert waypost("pool", "drain", "127.0.0.22:5060", *words, "--what-if") == 0
        assert waypost.out.startswith("What if: drain front end 127.0.0.22:5060 until")
        assert waypost("pool", "drain", "127.0.0.22:5060", *words) == 0
        assert waypost("pool", "drain", "127.0.0.21") == 1
        assert "last front end" in waypost.err
        assert waypost("pool", "drain", "127.0.0.23") == 1
        assert "is no front end of any pool" in waypost.err
        assert waypost("pool", "drain", "127.0.0.22:9") == 1
        assert f"there are {POOL}:5060" in waypost.err
        assert waypost("pool", "show", POOL) == 0
        (line,) = [x for x in waypost.out.splitlines() if "a look" in x]
        assert line.startswith("127.0.0.22:5060 is drained by ")
        assert waypost("pool", "undrain", "127.0.0.22") == 0
        assert waypost.out == "undrained front end 127.0.0.22:5060\n"
    assert waypost("pool", "drain", "fe1", "--for", "soon") != 0


FLAWED = {
    f"_sip._udp.{POOL} SRV": [
        "0 0 5060 fe1.test.",
        "0 0 0 fe2.test.",
        "0 0 5060 192.0.2.7.",
        "0 0 5060 lame.test.",
    ],
    "fe1.test A": "127.0.0.1",
    "fe2.test A": "127.0.0.2",
}


def test_show_and_doctor_name_records_that_lead_nowhere(waypost, monkeypatch):
    waypost.create()
    with running_zone(FLAWED) as address:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", address)
        assert waypost("pool", "show", POOL) == 0
        hosts = [x for x in waypost.out.splitlines() if x.startswith(("1 ", "2 "))]
        assert len(hosts) == 1 and "127.0.0.1:5060" in hosts[0]
        for part in ("port 0 for fe2.test", "the address 192.0.2.7 as its target"):
            assert f"_sip._udp.{POOL} has {part}" in waypost.out
        waypost("doctor", "--json")
        texts = [x["text"] for x in waypost.json["steps"] if x["name"] == "dns"]
        for part in ("port 0 for", "192.0.2.7 as its target", "lame.test has no"):
            assert sum(part in text for text in texts) == 1, part
        assert not any("192.0.2.7 has no address" in text for text in texts)


def test_a_pool_without_records_is_exit_code_1_and_says_what_to_add(
    waypost, monkeypatch
):
    with running_zone({"other.test A": "127.0.0.1"}) as address:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", address)
        assert waypost("pool", "show", POOL) == 1
    assert "has no front end" in waypost.err and "Add SRV" in waypost.err


def test_a_name_server_that_says_nothing_is_blamed_and_not_the_records(
    waypost, monkeypatch
):
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", address)
        assert waypost("pool", "show", POOL) == 1
    assert "Check nameservers" in waypost.err
