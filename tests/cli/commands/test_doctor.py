"""`waypost doctor` against front ends that are well, sick or badly certified."""

import contextlib
import datetime
import io
import socket
import sqlite3
import ssl
import subprocess
import time

import pytest

from proxy.config import load_config
from proxy.endpoints.table import MOST_LEARNED
from proxy.store.factory import sqlite_path
from tests.cli.commands.test_pool import running_zone
from tests.support.certificates import Authority
from tests.support.pool_thread import running_pools
from tests.support.ports import free_port

POOL = "pcpool.contoso.test"
JOURNEY = (
    *("INVITE", "INFO requri", "BYE"),
    *("channel INVITE", "channel INFO bjoin", "channel BYE"),
)
HOSTS = {POOL: ["127.0.0.121", "127.0.0.122"]}
TCP = """
[[listen]]
transport = "tcp"
address = "127.0.0.5:5060"
[admin]
listen = ""
"""
TLS = (
    '[[listen]]\ntransport = "tls"\naddress = "127.0.0.5:5061"\n[admin]\nlisten = ""\n'
)


@pytest.fixture
def config_file(config_file):
    """One domain, unless a test is about more."""
    text = config_file.read_text()
    config_file.write_text(text.replace(', "contoso.com"]', "]"))
    return config_file


@pytest.fixture
def tcp(config_file):
    config_file.write_text(config_file.read_text() + TCP)


def examined(waypost, *more):
    """The steps as ``name: verdict`` in order, the whole rows beside."""
    waypost("doctor", "--json", *more)
    return [(step["name"], step["verdict"]) for step in about_pools(waypost)]


def about_pools(waypost):
    """All but the steps about a service, which does not run here."""
    service, *steps = waypost.json["steps"]
    assert (service["name"], service["verdict"]) == ("service", "unknown")
    return [step for step in steps if step["of"] != "waypost"]


def verdict(waypost):
    """The worst of them, but for what nobody can know without the registrar."""
    found = {x["verdict"] for x in about_pools(waypost) if x["name"] != "conflict"}
    return next((x for x in ("failed", "unknown", "warning") if x in found), "ok")


def test_a_healthy_endpoint_is_ok_in_every_step(waypost, tcp, monkeypatch):
    waypost.create()
    with running_pools(HOSTS) as pools:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", pools.dns)
        assert waypost("doctor", "ocschat@contoso.test") == 1, "nothing listens here"
        failed = [x for x in waypost.out.splitlines() if x.startswith("failed")]
        assert failed and all("waypost  listener: " in line for line in failed)
        assert "options: fe1.pcpool.contoso.test tcp:127.0.0.121:" in waypost.out
        steps = examined(waypost)
    assert steps == [
        ("domain", "ok"),
        ("conflict", "unknown"),
        ("dns", "ok"),
        *[("connect", "ok"), ("options", "ok")] * 2,
    ]


def test_a_front_end_that_is_down_fails_with_a_fix_and_exit_code_1(
    waypost, tcp, monkeypatch
):
    waypost.create()
    with running_pools(HOSTS) as pools:
        pools.stop_front_end(POOL, 1)
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", pools.dns)
        assert waypost("doctor") == 1
    (failed,) = [
        line
        for line in waypost.out.splitlines()
        if line.startswith("failed") and "listener" not in line
    ]
    assert "fe2" in failed and "connection refused" in failed
    assert "-> nobody listens there: start the pool's front end" in waypost.out


def test_a_pool_without_records_says_which_to_add(waypost, tcp, monkeypatch):
    waypost.create(pool="nowhere.contoso.test")
    with running_pools({}) as pools:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", pools.dns)
        assert waypost("doctor", "--json") == 1
    step = waypost.json["steps"][-1]
    assert (step["name"], step["verdict"]) == ("dns", "failed")
    assert "_sip._tcp.nowhere.contoso.test" in step["fix"]


def test_a_target_without_an_address_is_a_warning(waypost, tcp, monkeypatch):
    waypost.create()
    zone = {
        f"_sip._tcp.{POOL} SRV": ["10 60 5060 fe1.test.", "20 60 5060 gone.test."],
        "fe1.test A": "127.0.0.123",
    }
    with running_zone(zone) as address:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", address)
        assert waypost("doctor", "--json") == 1
    found = [step for step in about_pools(waypost) if step["verdict"] == "warning"]
    assert [step["text"] for step in found] == ["gone.test has no address"]


def test_the_journey_goes_straight_to_the_pool_when_no_proxy_runs(
    waypost, tcp, monkeypatch
):
    waypost.create()
    with running_pools(HOSTS) as pools:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", pools.dns)
        steps = examined(waypost, "--journey")
        lookup, channel = pools.front_ends[POOL][1].requests("INVITE")
    assert [step for step in steps if step[0].startswith("journey")] == [
        *[("journey", "unknown")] * 2,  # through a proxy that does not answer
        *[(f"journey {step}", "ok") for step in JOURNEY] * 2,
    ]
    assert lookup.uri == f"sip:ocschat@{POOL}"
    assert channel.uri.startswith("sip:GC-1-")


@pytest.mark.parametrize(
    ("names", "days", "trusted", "expected", "fix"),
    [
        ([POOL], 90, True, ("tls", "ok"), ""),
        ([POOL], 3, True, ("expiry", "warning"), "renew"),
        (["fe1.other.test"], 90, True, ("tls", "failed"), f"DNS:{POOL}"),
        ([POOL], -1, True, ("tls", "failed"), "renew"),
        ([POOL], 90, False, ("tls", "failed"), "[tls] ca"),
    ],
)
def test_certificates_are_judged_by_chain_name_and_expiry(
    waypost, config_file, monkeypatch, tmp_path, names, days, trusted, expected, fix
):
    (tmp_path / "other").mkdir()
    authority, stranger = Authority(tmp_path), Authority(tmp_path / "other")
    files = authority.issue(*names, valid_for=datetime.timedelta(days=days))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    ca = authority.ca if trusted else stranger.ca
    own = authority.issue("proxy.contoso.test")
    config_file.write_text(
        config_file.read_text()
        + TLS
        + f'[tls]\ncertificate = "{own.certificate}"\nkey = "{own.key}"\nca = "{ca}"\n'
    )
    waypost.create()
    with running_pools({POOL: ["127.0.0.121"]}, "tls", context) as pools:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", pools.dns)
        waypost("doctor", "--json")
    found = {step["name"]: step for step in about_pools(waypost)}
    name, wanted = expected
    assert found[name]["verdict"] == wanted, found
    assert fix in found[name]["fix"]
    assert verdict(waypost) == wanted


@contextlib.contextmanager
def strict_pool(files, ca, version):
    """An OpenSSL server that wants a certificate of everybody; its zone as well."""
    host, port = "127.0.0.124", free_port("127.0.0.124")
    line = (
        f"openssl s_server -accept {host}:{port} -cert {files.certificate} "
        f"-key {files.key} -CAfile {ca} -Verify 1 -verify_return_error -quiet {version}"
    )
    server = subprocess.Popen(line.split(), stderr=subprocess.DEVNULL)
    zone = {
        f"_sips._tcp.{POOL} SRV": f"10 60 {port} fe1.test.",
        "fe1.test A": host,
    }
    try:
        end = time.monotonic() + 10
        while socket.socket().connect_ex((host, port)):
            assert time.monotonic() < end
            time.sleep(0.02)
        with running_zone(zone) as address:
            yield address
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_pool_that_does_not_take_our_certificate_says_so(
    waypost, config_file, monkeypatch, tmp_path, version
):
    """Mutual TLS, as every Lync pool has it; in TLS 1.3 the alert follows late."""
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    own = stranger.issue("proxy.contoso.test")
    config_file.write_text(
        config_file.read_text()
        + TLS
        + f'[tls]\ncertificate = "{own.certificate}"\nkey = "{own.key}"\n'
        + f'ca = "{authority.ca}"\n'
    )
    waypost.create()
    with strict_pool(authority.issue(POOL), authority.ca, version) as dns:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", dns)
        assert waypost("doctor", "--json") == 1
    (failed,) = [s for s in about_pools(waypost) if s["verdict"] == "failed"]
    assert "alert unknown ca" in failed["text"], failed
    assert "must take ours: in [tls] name certificate and key" in failed["fix"]


def test_a_live_binding_is_a_warning_and_a_retired_endpoint_too(
    waypost, tcp, monkeypatch, bind
):
    waypost.create()
    bind("ocschat@contoso.test")
    with running_pools(HOSTS) as pools:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", pools.dns)
        waypost("doctor")
    assert "still registered from udp:127.0.0.9:5060" in waypost.out


@pytest.mark.parametrize(
    ("seconds_ago", "verdict", "said"),
    [
        (60, "failed", "still registers: once, last"),
        (1500, "warning", "silent for 25 min since"),
        (4000, "unknown", "the registrar is off"),
    ],
)
def test_an_old_service_that_keeps_quiet_is_red_amber_and_then_forgotten(
    waypost, tcp, config_file, monkeypatch, seconds_ago, verdict, said
):
    waypost.create()
    at = time.time() - seconds_ago  # noqa: TID251
    config = load_config(config_file)
    with sqlite3.connect(sqlite_path(config.store_url)) as db:
        db.execute("UPDATE endpoints SET body = json_set(body, '$.created_at', 1.0)")
        db.execute(
            "INSERT INTO conflicts VALUES (?, ?, ?, ?, ?, ?, ?)",
            ("ocschat@contoso.test", "udp:10.0.0.9", "RTC/3.5", "sip:c", at, at, 1),
        )
    with running_pools(HOSTS) as pools:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", pools.dns)
        waypost("doctor", "--json")
    (step,) = [s for s in waypost.json["steps"] if s["name"] == "conflict"]
    assert step["verdict"] == verdict and said in step["text"]


@pytest.mark.parametrize(
    ("uri", "more", "verdict", "said"),
    [
        ("GC-1@contoso.test", 0, "ok", "1 service URIs learned"),
        ("ocschat@contoso.test", 0, "warning", "is an endpoint"),
        ("alice@contoso.test", 0, "warning", "is a user of the registrar"),
        ("GC-1@contoso.test", MOST_LEARNED - 1, "warning", "the most that are kept"),
    ],
)
def test_learned_uris_are_shown_and_those_of_somebody_else_named(
    waypost, tcp, config_file, monkeypatch, uri, more, verdict, said
):
    waypost.create()
    config = load_config(config_file)
    rows = [uri, *(f"gc-{n}@contoso.test" for n in range(2, 2 + more))]
    with sqlite3.connect(sqlite_path(config.store_url)) as db:
        db.executemany(
            "INSERT INTO learned_by_pool VALUES (?, ?, ?, ?, 1.0, 1.0)",
            [(x.lower(), POOL, f"sip:{x}", "ocschat@contoso.test") for x in rows],
        )
    monkeypatch.setattr("sys.stdin", io.StringIO("a good password\n"))
    assert waypost("user", "new", "alice", "--password-stdin") == 0
    with running_pools(HOSTS) as pools:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", pools.dns)
        waypost("doctor", "--json")
    (step,) = [s for s in waypost.json["steps"] if s["name"] == "learned"]
    assert step["verdict"] == verdict and said in step["text"]
    assert bool(step.get("fix")) == (verdict == "warning")


def test_a_stranger_is_refused(waypost):
    assert waypost("doctor", "nobody@contoso.test") == 1
    assert "there is no endpoint" in waypost.err


def test_a_plan_is_examined_before_anything_exists(
    waypost, tcp, config_file, monkeypatch, bind
):
    plan = config_file.parent / "plan.toml"
    plan.write_text(
        f'[[change]]\nsip_address = "a@contoso.test"\npool_fqdn = "{POOL}"\n'
        "create = true\n"
    )
    with running_pools(HOSTS) as pools:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", pools.dns)
        waypost("doctor", "--plan", str(plan), "--journey")
        assert "journey channel BYE: straight to fe1" in waypost.out
        bind("a@contoso.test")
        assert waypost("doctor", "--plan", str(plan)) == 1
    assert "failed  sip:a@contoso.test  conflict: still registered" in waypost.out
    assert waypost("doctor", "a@contoso.test", "--plan", str(plan)) == 1


def test_without_a_service_not_all_is_well(waypost, tcp, config_file, monkeypatch):
    text = config_file.read_text()
    config_file.write_text(text.replace('listen = ""', 'listen = "127.0.0.1:9"'))
    waypost.create()
    with running_pools(HOSTS) as pools:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", pools.dns)
        assert waypost("doctor") == 1
        told = "failed  waypost  service: no service answers at 127.0.0.1:9"
        assert waypost.out.startswith(told)
        assert waypost("doctor", "--json") == 1
    assert waypost.json["verdict"] == "failed"


def test_a_domain_without_an_alias_is_a_warning_when_another_has_one(
    waypost, config_file, tmp_path
):
    text = config_file.read_text()
    config_file.write_text(text.replace('"contoso.test"]', '"contoso.test", "b.test"]'))

    def aliases(*more):
        waypost("doctor", "--json", *more)
        return {x["of"]: x for x in waypost.json["steps"] if x["name"] == "alias"}

    assert aliases() == {}, "nobody has one"
    waypost.create()
    step = aliases()["b.test"]
    assert step["verdict"] == "warning"
    assert "sip:ocschat@contoso.test" in step["text"]
    assert "--sip-address sip:ocschat@b.test" in step["fix"]
    assert aliases("ocschat@contoso.test") == {}, "it is about one endpoint"
    plan = tmp_path / "plan.toml"
    plan.write_text(
        f'[[change]]\nsip_address = "ocschat@b.test"\npool_fqdn = "{POOL}"\n'
        "create = true\n"
    )
    assert aliases("--plan", str(plan)) == {}, "the plan makes it"
    waypost.create("ocschat@b.test")
    assert aliases() == {}
