"""What was not seen is unknown: in the doctor, in a plan, and with Lync's facts."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from proxy.admin.doctor.verdicts import Step, exit_code, summary, worst
from tests.facts.world import right_a, rows
from tests.support.pool_thread import running_pools

NEW = "pcpool.contoso.com"
CONFIG = """
[[listen]]
transport = "tcp"
address = "127.0.0.5:5060"
[admin]
listen = ""
"""
PLAN = f"""
[[change]]
sip_address = "ocschat@contoso.com"
pool_fqdn = "{NEW}"
create = true
[[change]]
sip_address = "ocschat@fabrikam.com"
pool_fqdn = "{NEW}"
create = true
"""
ALIAS = "sip:ocschat@contoso.com"


@pytest.fixture
def plan(config_file, monkeypatch):
    text = config_file.read_text().replace(
        'domains = ["contoso.test", "contoso.com"]',
        'domains = ["contoso.com", "fabrikam.com"]\n'
        'advertised_host = "proxy.contoso.com"',
    )
    config_file.write_text(text + CONFIG)
    path = config_file.parent / "plan.toml"
    path.write_text(PLAN)
    with running_pools({NEW: ["127.0.0.121"]}) as pools:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", pools.dns)
        yield str(path)


@pytest.fixture
def facts(tmp_path, monkeypatch):
    """Writes a file of facts; ``change`` gets the document first."""

    def write(change=lambda document: None, age=0.0):
        document = right_a()
        at = datetime.now(UTC) - timedelta(seconds=age)
        document["time"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        change(document)
        path = tmp_path / "facts.json"
        path.write_text(json.dumps(document))
        return str(path)

    return write


def steps(waypost):
    return {(x["of"], x["name"]): x for x in waypost.json["steps"]}


def test_the_worst_of_many_and_how_many_of_each():
    found = [Step("a", "x", v, "") for v in ("ok", "warning", "unknown", "ok")]
    assert worst(found) == "unknown" and worst([]) == "ok"
    assert summary(found) == {"ok": 2, "warning": 1, "unknown": 1, "failed": 0}
    assert (exit_code(found, False), exit_code(found, True)) == (0, 5)
    assert exit_code([*found, Step("a", "x", "failed", "")], True) == 1
    assert exit_code([Step("a", "x", "ok", "")], True) == 0


def test_a_plan_counts_what_it_could_not_see(waypost, plan):
    assert waypost("cutover", "plan", plan) == 0
    lines = waypost.out.splitlines()
    said = [line for line in lines if line.startswith("unknown")]
    assert len(said) == 2 and all("the registrar is off" in line for line in said)
    assert "--facts FILE" in waypost.out
    assert lines[-1] == "1 ok, 0 warning, 2 unknown, 0 failed"
    assert waypost("cutover", "plan", plan, "--strict") == 5
    assert waypost("cutover", "plan", plan, "--json") == 0
    assert waypost.json["verdict"] == "unknown"
    assert waypost.json["summary"]["unknown"] == 2


def test_facts_tell_what_cannot_be_seen_from_here(waypost, plan, facts):
    waypost("doctor", "--plan", plan, "--json")
    assert steps(waypost)[ALIAS, "conflict"]["verdict"] == "unknown"
    waypost("doctor", "--plan", plan, "--facts", facts(), "--json")
    assert steps(waypost)[ALIAS, "conflict"]["verdict"] == "ok"
    assert steps(waypost)[ALIAS, "account"]["verdict"] == "ok"


def user(document):
    row = {"alias": ALIAS, "sip_address": ALIAS, "identity": "CN=x", "enabled": True}
    rows(document, "users").append(row)


def test_a_user_in_lync_forbids_the_switch(waypost, plan, facts):
    path = facts(user)
    assert waypost("cutover", "plan", plan, "--facts", path) == 1
    assert f"failed  {ALIAS}  account: still the address of the user" in waypost.out
    assert waypost("cutover", "apply", plan, "--facts", path) == 1
    assert "the doctor advises against it" in waypost.err
    assert waypost("cutover", "status") == 0 and waypost.out == "no cutover yet\n"


def states(waypost, *more):
    assert waypost("runbook", "--json", *more) == 0
    return {item["name"]: item for item in waypost.json}


def test_the_account_is_a_check_when_facts_are_given(waypost, plan, facts):
    assert states(waypost, "--plan", plan)["account"]["state"] == "open"
    bad = states(waypost, "--facts", facts(user))
    assert bad["account"]["state"] == "open" and "CN=x" in bad["account"]["text"]
    assert bad["silence"]["state"] == "open"
    assert waypost("runbook", "--facts", facts(user), "--strict") == 1
    assert f"failed  {ALIAS}  account: still the address" in waypost.out
    good = states(waypost, "--facts", facts())
    assert (good["account"]["state"], good["account"]["by"]) == ("done", "verified")
    assert good["silence"]["state"] == "done"
    # Without the file what was verified stands; with it, it may turn red again.
    assert states(waypost)["account"]["state"] == "done"
    assert states(waypost, "--facts", facts(user))["account"]["state"] == "failed"


def test_old_facts_are_amber(waypost, plan, facts):
    old = facts(age=90_000.0)
    found = states(waypost, "--plan", plan, "--facts", old)
    assert found["account"]["state"] == "warning"
    assert "25 hours old" in found["account"]["text"]
    waypost("doctor", "--plan", plan, "--facts", old, "--json")
    assert steps(waypost)["facts", "age"]["verdict"] == "warning"


def test_an_old_service_that_runs_is_no_silence(waypost, plan, facts):
    def running(document):
        for row in rows(document, "old_services"):
            row["state"] = "Running"

    found = states(waypost, "--plan", plan, "--facts", facts(running))
    assert found["silence"]["state"] == "open"
    assert "running" in found["silence"]["text"]


@pytest.mark.parametrize("line", [("doctor",), ("runbook",), ("cutover", "plan", "x")])
def test_a_file_that_is_none_is_refused_first(waypost, plan, line, tmp_path):
    words = [plan if word == "x" else word for word in line]
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    assert waypost(*words, "--facts", str(broken)) == 3
    assert "broken.json" in waypost.err


def test_a_question_about_facts_that_has_no_answer_comes_before_half_a_list(
    waypost, facts, config_file
):
    waypost.create(ALIAS, NEW)
    text = config_file.read_text()
    config_file.write_text(text.replace('advertised_host = "proxy.contoso.com"', ""))
    assert waypost("doctor", "--facts", facts()) == 1
    assert (waypost.out, "set advertised_host" in waypost.err) == ("", True)


def test_without_a_registrar_silence_is_told_as_lyncs_word(waypost, plan, facts):
    assert waypost("runbook", "--plan", plan, "--facts", facts()) == 0
    lines = waypost.out.splitlines()
    at = next(n for n, line in enumerate(lines) if " silence " in line)
    assert lines[at].startswith("[x]") and "no account has it" in lines[at + 1]
    assert waypost("runbook") == 0  # without facts it is not seen any more
    lines = waypost.out.splitlines()
    at = next(n for n, line in enumerate(lines) if " silence " in line)
    assert lines[at].startswith("[?]") and "(last verified, " in lines[at]


def test_the_runbook_fits_a_screen(waypost, plan, facts, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert waypost("runbook", "--plan", plan, "--facts", facts()) == 0
    assert max(map(len, waypost.out.splitlines())) <= 80
    assert waypost("runbook") == 0
    assert max(map(len, waypost.out.splitlines())) <= 80
