"""`waypost runbook`: what it verifies, what it remembers."""

import pytest

from tests.support.pool_thread import running_pools

NEW = "new.contoso.test"
TCP = """
[[listen]]
transport = "tcp"
address = "127.0.0.5:5060"
[admin]
listen = ""
[registrar]
enabled = true
trusted_networks = ["127.0.0.9/32"]
"""
PLAN = f"""
[[change]]
sip_address = "ocschat@contoso.test"
pool_fqdn = "{NEW}"
create = true
"""


@pytest.fixture
def plan(config_file, monkeypatch):
    config_file.write_text(config_file.read_text() + TCP)
    path = config_file.parent / "plan.toml"
    path.write_text(PLAN)
    with running_pools({NEW: ["127.0.0.121"]}) as pools:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", pools.dns)
        yield str(path)


def states(waypost, *more):
    assert waypost("runbook", "--json", *more) == 0
    return {item["name"]: item["state"] for item in waypost.json}


def test_it_wants_the_plan_once_and_keeps_it(waypost, plan):
    assert waypost("runbook") == 1
    assert "--plan weekend.toml" in waypost.err
    assert states(waypost, "--plan", plan)["pool"] == "done"
    assert states(waypost)["cutover"] == "open"
    assert waypost("runbook", "--reset") == 0
    assert waypost("runbook") == 1


def test_what_only_a_person_knows_is_ticked_and_taken_back(waypost, plan):
    states(waypost, "--plan", plan)
    assert waypost("runbook", "--done", "backup", "--note", "tape 7") == 0
    assert states(waypost)["backup"] == "done"
    waypost("runbook")
    assert "tape 7" in waypost.out
    assert waypost("runbook", "--undone", "5") == 0
    assert states(waypost)["backup"] == "open"
    assert waypost("runbook", "--done", "coffee") == 1
    assert 'no step "coffee"' in waypost.err


def test_what_was_seen_once_may_pass_but_what_must_hold_may_not(waypost, plan, bind):
    bind("ocschat@contoso.test", seconds=3600)
    before = states(waypost, "--plan", plan)
    assert (before["old-way"], before["silence"]) == ("done", "open")
    waypost("binding", "remove", "ocschat@contoso.test")
    after = states(waypost)
    assert (after["old-way"], after["silence"]) == ("done", "done")
    assert waypost("cutover", "apply", plan) == 0
    switched = states(waypost)
    # The table leads there; of a service without an admin listener nothing is seen.
    assert (switched["cutover"], switched["doctor"]) == ("unknown", "unknown")
    assert switched["retire"] == "later"
    waypost("runbook", "--done", "cutover")
    assert states(waypost)["cutover"] == "done"
    bind("ocschat@contoso.test")
    assert states(waypost)["silence"] == "failed"
    waypost("cutover", "rollback")
    assert states(waypost)["cutover"] == "failed"


def test_what_is_for_later_holds_nobody_up(waypost, plan):
    before = states(waypost, "--plan", plan)
    assert (before["legacy"], before["retire"]) == ("later", "later")
    waypost("runbook", "--done", "legacy")
    assert states(waypost)["legacy"] == "done"


def test_the_pool_may_be_stopped_for_the_data_but_must_run_before_the_switch(
    waypost, config_file, monkeypatch
):
    config_file.write_text(config_file.read_text() + TCP)
    path = config_file.parent / "plan.toml"
    path.write_text(PLAN)
    with running_pools({NEW: ["127.0.0.121"]}) as pools:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", pools.dns)
        states(waypost, "--plan", str(path))
        pools.stop_front_end(NEW, 0)
        stopped = states(waypost)
    assert (stopped["pool"], stopped["start"]) == ("done", "failed")


def test_the_report_says_what_was_done_by_whom(waypost, plan, bind):
    waypost("runbook", "--plan", plan)
    assert waypost("runbook", "--report") == 0
    assert "Nothing has been switched yet." in waypost.out
    waypost("runbook", "--done", "backup", "--note", "tape 7 | Anna")
    waypost("cutover", "apply", plan)
    waypost("runbook", "--report")
    assert "# Migration: plan.toml" in waypost.out
    assert "Cutover 1 (1 endpoint, all users) was applied at" in waypost.out
    assert "It has not been confirmed." in waypost.out
    assert "Since then: 0 clients; 0 failed requests." in waypost.out
    (row,) = [line for line in waypost.out.splitlines() if "backed up" in line]
    assert row.startswith("| [x] | ") and row.endswith("| tape 7 / Anna |")
    waypost("cutover", "confirm")
    waypost("runbook", "--report")
    assert "It was confirmed at" in waypost.out
    waypost("runbook", "--report", "--json")
    assert waypost.json["cutover"]["state"] == "confirmed"
    assert [step["name"] for step in waypost.json["steps"]][-1] == "retire"


def test_the_way_back_is_the_one_that_there_is(waypost, plan):
    states(waypost, "--plan", plan)

    def back():
        assert waypost("runbook", "--json") == 0
        return {item["name"]: item["back"] for item in waypost.json}["doctor"]

    assert back() == "nothing to take back: nothing has been switched"
    assert waypost("cutover", "apply", plan, "--force") == 0
    assert back() == "waypost cutover rollback"
    address = "ocschat@contoso.test"
    assert waypost("endpoint", "set", address, "--display-name", "Later") == 0
    assert back().startswith("waypost cutover rollback --force (undoes later changes")
    assert waypost("cutover", "rollback", "--force") == 0
    assert back() == "nothing to take back: cutover 1 is rolled back"


def test_without_a_registrar_silence_is_not_seen_and_so_not_ticked(
    waypost, config_file, plan
):
    text = config_file.read_text().replace("enabled = true", "enabled = false")
    config_file.write_text(text)
    before = states(waypost, "--plan", plan)
    assert (before["old-way"], before["silence"]) == ("unknown", "unknown")
    assert before["ghost"] == "open", "nothing has been switched"
    assert waypost("runbook", "--strict") == 5
    assert "[?]  8 silence" in waypost.out
    assert "the registrar is off" in waypost.out
    assert ", 2 unknown, " in waypost.out
    assert waypost("cutover", "apply", plan) == 0
    assert states(waypost)["ghost"] == "unknown"
    waypost("runbook", "--done", "silence", "--note", "looked in Lync")
    assert states(waypost)["silence"] == "done"


def test_a_tick_does_not_outweigh_what_is_seen(waypost, plan, bind):
    states(waypost, "--plan", plan)
    waypost("runbook", "--done", "silence")
    bind("ocschat@contoso.test", seconds=3600)
    assert states(waypost)["silence"] == "failed"
    waypost("runbook")
    assert "ticked off, but still registered from" in waypost.out
    assert waypost("runbook", "--strict") == 1


def test_another_cutover_does_not_tick_this_one_off(waypost, plan, tmp_path):
    states(waypost, "--plan", plan)
    other = tmp_path / "other.toml"
    other.write_text(PLAN.replace("ocschat@", "help@"))
    assert waypost("cutover", "apply", str(other)) == 0
    found = {item["name"]: item for item in run(waypost)}
    assert found["cutover"]["state"] == "open"
    assert found["cutover"]["text"] == "sip:ocschat@contoso.test is no endpoint"


def run(waypost):
    waypost("runbook", "--json")
    return waypost.json
