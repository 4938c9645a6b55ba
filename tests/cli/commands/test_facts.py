"""``waypost facts``: the script, what a file says, and the verdict with its codes."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.facts.world import ALIAS, POOL, SECOND, right_a, rows

CONFIG = """
[proxy]
advertised_host = "proxy.contoso.com"
domains = ["contoso.com", "fabrikam.com"]
[[listen]]
transport = "tls"
address = "127.0.0.5:5061"
[store]
url = "sqlite:///waypost.db"
[tls]
certificate = "proxy.pem"
key = "proxy.key"
ca = "ca.pem"
"""
PLAN = "".join(
    f'[[change]]\nsip_address = "{alias}"\npool_fqdn = "{POOL}"\ncreate = true\n'
    for alias in (ALIAS, SECOND)
)


@pytest.fixture
def lync(waypost, config_file, tmp_path):
    """Writes facts beside a configuration that fits them; returns the path."""
    config_file.write_text(CONFIG)

    def write(document):
        path = tmp_path / "waypost-facts.json"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        path.write_text(json.dumps(document | {"time": now}), encoding="utf-16")
        return str(path)

    return write


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "weekend.toml"
    path.write_text(PLAN)
    return str(path)


def test_the_script_is_printed_as_it_is(waypost):
    assert waypost("facts", "script") == 0
    root = Path(__file__).parents[3]
    script = root / "config/powershell/Get-WaypostFacts.ps1"
    assert waypost.out == script.read_text()


def test_facts_that_fit_the_plan_are_ok(waypost, lync, plan):
    assert waypost("facts", "check", lync(right_a()), "--plan", plan) == 0
    assert "ok      sip:ocschat@contoso.com  account: no user account" in waypost.out
    assert waypost.out.endswith("0 warning, 0 unknown, 0 failed\n")
    assert waypost("facts", "check", lync(right_a()), "--plan", plan, "--strict") == 0


def test_a_failed_step_has_its_cmdlet_and_exit_code_1(waypost, lync, plan):
    document = right_a()
    rows(document, "trusted_applications")[0]["port"] = 5071
    assert waypost("facts", "check", lync(document), "--plan", plan) == 1
    assert (
        "failed  proxy.contoso.com  trust: Lync trusts it on port 5071" in waypost.out
    )
    assert "-> Set-CsTrustedApplication -Identity" in waypost.out
    assert "1 failed" in waypost.out


def test_what_is_not_known_has_a_code_of_its_own_when_asked(waypost, lync, plan):
    document = right_a()
    del document["sections"]["principals"]
    line = ("facts", "check", lync(document), "--plan", plan)
    assert waypost(*line) == 0
    assert "2 unknown" in waypost.out
    assert waypost(*line, "--strict", "--json") == 5
    assert waypost.json["verdict"] == "unknown"
    assert waypost.json["summary"]["unknown"] == 2


def test_without_an_endpoint_or_a_plan_there_is_nothing_to_compare(waypost, lync):
    assert waypost("facts", "check", lync(right_a())) == 1
    assert "--plan FILE" in waypost.err


def test_the_table_and_its_ports_are_compared(waypost, lync):
    waypost.create(ALIAS, POOL)
    assert not waypost("pool", "set", POOL, "--port", "5061", "--transport", "tls")
    assert waypost("facts", "check", lync(right_a()), "--json") == 1
    failed = {(s["of"], s["name"]) for s in waypost.json["steps"] if s["fix"]}
    assert failed == {(POOL, "pool"), ("fabrikam.com", "domain-alias")}


def test_lync_knows_a_name_and_not_an_address(waypost, lync, config_file):
    path = lync(right_a())
    config_file.write_text(CONFIG.replace('advertised_host = "proxy.contoso.com"', ""))
    waypost.create(ALIAS, POOL)
    assert waypost("facts", "check", path) == 1
    assert "set advertised_host" in waypost.err


def test_show_says_what_was_read_and_what_was_not(waypost, lync):
    document = right_a()
    document["sections"]["replicas"] |= {"ok": False, "error": "Access is denied."}
    document["absent"] = ["OCSPersistentChatContact.Enabled"]
    path = lync(document)
    assert waypost("facts", "show", path) == 0
    assert "Forest    : contoso.com" in waypost.out
    assert "replicas: Access is denied." in waypost.out
    assert "OCSPersistentChatContact.Enabled" in waypost.out
    assert waypost("facts", "show", path, "--json") == 0
    assert waypost.json["sections"]["trusted_applications"]["rows"][0]["port"] == 5061


@pytest.mark.parametrize("verb", ["show", "check"])
def test_a_file_that_cannot_be_used_has_exit_code_3(waypost, tmp_path, verb):
    assert waypost("facts", verb, str(tmp_path / "none.json")) == 3
    assert "cannot be read: No such file" in waypost.err
    (tmp_path / "x.json").write_text("<html>")
    assert waypost("facts", verb, str(tmp_path / "x.json")) == 3
    assert "no JSON" in waypost.err
