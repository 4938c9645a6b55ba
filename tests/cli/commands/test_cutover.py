"""`waypost cutover`, with pools that answer the doctor."""

import time

import pytest

from tests.support.pool_thread import running_pools

NEW, OLD = "new.contoso.test", "pcpool.contoso.test"
HOSTS = {NEW: ["127.0.0.121"]}
TCP = """
[[listen]]
transport = "tcp"
address = "127.0.0.5:5060"
[admin]
listen = ""
"""
PLAN = f"""
[[change]]
sip_address = "ocschat@contoso.test"
pool_fqdn = "{NEW}"
expect_pool = "{OLD}"
[[change]]
sip_address = "second@contoso.test"
pool_fqdn = "{NEW}"
create = true
"""


@pytest.fixture
def plan(config_file, waypost):
    config_file.write_text(config_file.read_text() + TCP)
    waypost.create()
    path = config_file.parent / "plan.toml"
    path.write_text(PLAN)
    return str(path)


@pytest.fixture
def pools(monkeypatch):
    with running_pools(HOSTS) as running:
        monkeypatch.setenv("WAYPOST_DNS_NAMESERVERS", running.dns)
        yield running


def where(waypost):
    waypost("endpoint", "get", "--json")
    return {row["sip_address"]: row["pool_fqdn"] for row in waypost.json}


BEFORE = {"sip:ocschat@contoso.test": OLD}
AFTER = {"sip:ocschat@contoso.test": NEW, "sip:second@contoso.test": NEW}


def test_a_plan_shows_its_changes_and_makes_none(waypost, plan):
    assert waypost("cutover", "plan", plan) == 0
    assert waypost.out.splitlines()[:2] == [
        "change endpoint sip:ocschat@contoso.test",
        f"  pool_fqdn: {OLD} -> {NEW}",
    ]
    assert where(waypost) == BEFORE
    assert waypost("cutover", "status") == 0
    assert waypost.out == "no cutover yet\n"


def test_apply_confirm_and_rollback_are_one_word_each(waypost, plan, pools):
    assert waypost("cutover", "apply", plan) == 0
    assert "options: fe1.new.contoso.test" in waypost.out
    assert "cutover 1: 2 endpoints switched at once" in waypost.out
    assert waypost.out.splitlines()[-1].startswith("no proxy answers here")
    assert where(waypost) == AFTER
    assert waypost("cutover", "confirm") == 0
    assert waypost("cutover", "rollback") == 0
    assert "cutover 1 is rolled back, 2 endpoints as before" in waypost.out
    assert where(waypost) == BEFORE
    waypost("endpoint", "history", "--json")
    assert {row["verb"] for row in waypost.json} == {
        "endpoint.new",
        "cutover.apply",
        "cutover.confirm",
        "cutover.rollback",
    }
    assert len({row["version"] for row in waypost.json}) == 4


def test_the_doctor_can_forbid_and_force_is_audited(waypost, plan, pools):
    pools.stop_front_end(NEW)
    assert waypost("cutover", "apply", plan) == 1
    assert "the doctor advises against it" in waypost.err
    assert where(waypost) == BEFORE
    assert waypost("cutover", "apply", plan, "--force") == 0
    assert where(waypost) == AFTER
    waypost("cutover", "status", "--json")
    assert waypost.json["forced"] is True
    waypost("endpoint", "history", "--json")
    assert waypost.json[0]["verb"] == "cutover.apply --force"


def test_a_live_binding_stops_the_cutover_before_the_doctor(waypost, plan, bind):
    bind("second@contoso.test", "tcp:127.0.0.9:5060")
    assert waypost("cutover", "apply", plan) == 1
    assert "still registered from tcp:127.0.0.9:5060" in waypost.err


def test_the_next_command_rolls_back_what_nobody_confirmed(waypost, plan, pools):
    assert waypost("cutover", "apply", plan, "--confirm-within", "0.005") == 0
    assert "rolled back by itself at" in waypost.out
    time.sleep(0.31)
    assert where(waypost) == BEFORE
    assert waypost("cutover", "confirm") == 1
    assert "rolled back already, by waypost (automatic rollback)" in waypost.err
    waypost("endpoint", "history", "--json")
    assert waypost.json[0]["actor"] == "waypost"


def test_a_canary_keeps_the_old_pool_until_it_is_whole(waypost, plan, pools):
    path = plan.replace("plan.toml", "one.toml")
    with open(path, "w") as file:
        file.write(PLAN.partition('[[change]]\nsip_address = "second')[0])
    assert waypost("cutover", "apply", path, "--percent", "10") == 0
    assert f"canary: (none) -> 10 % to {NEW}" in waypost.out
    assert where(waypost) == BEFORE
    assert waypost("cutover", "apply", path) == 0
    assert where(waypost)["sip:ocschat@contoso.test"] == NEW
    assert waypost("cutover", "rollback") == 0
    waypost("endpoint", "get", "ocschat@contoso.test", "--json")
    (row,) = waypost.json
    assert (row["pool_fqdn"], row["canary"]) == (OLD, None)


def test_pilots_come_from_a_file(waypost, plan, pools, tmp_path):
    path = plan.replace("plan.toml", "one.toml")
    with open(path, "w") as file:
        file.write(PLAN.partition('[[change]]\nsip_address = "second')[0])
    pilots = tmp_path / "pilots.txt"
    pilots.write_text("sip:Alice@contoso.test\n")
    assert waypost("cutover", "apply", path, "--pilots", str(pilots)) == 0
    waypost("endpoint", "get", "ocschat@contoso.test", "--json")
    assert waypost.json[0]["canary"]["pilots"] == ["alice@contoso.test"]


@pytest.mark.parametrize("verb", ["confirm", "rollback"])
def test_without_a_cutover_there_is_nothing_to_settle(waypost, verb):
    assert waypost("cutover", verb) == 1
    assert "there is no cutover" in waypost.err


def test_a_plan_that_cannot_be_read_says_so(waypost, plan):
    assert waypost("cutover", "plan", plan + ".missing") == 1
    assert "cannot be read" in waypost.err


def test_all_mistakes_of_a_plan_are_told_at_once_each_with_its_line(waypost, plan):
    lines = [
        "confirm_within = -1",  # 1
        "[[change]]",
        'sip_address = "ocschat@contoso.test"',
        f'pool_fqdn = "{NEW}"',
        'expect_pool = "third.contoso.test"',
        "",
        "[[change]]",  # 7
        'sip_address = "ocschat@elsewhere.test"',
        f'pool_fqdn = "{NEW}"',
        "[[change]]",  # 10
        'sip_adress = "x@contoso.test"',
        "[[change]]",  # 12
        'sip_address = "nobody@contoso.test"',
        f'pool_fqdn = "{NEW}"',
        "[[change]]",  # 15
        'sip_address = "y@contoso.test"',
        "pool_fqdn = 5",
    ]
    with open(plan, "w") as file:
        file.write("\n".join(lines))
    for verb in ("plan", "apply"):
        assert waypost("cutover", verb, plan) == 1
        for line, said in (
            (1, "confirm_within is a number"),
            (5, "should lead to third.contoso.test"),
            (8, "elsewhere.test"),
            (11, "sip_adress: unknown key"),
            (10, "pool_fqdn is missing"),
            (13, "does not exist: write create = true"),
            (17, "pool_fqdn should be text in quotes"),
        ):
            assert any(
                f"plan.toml:{line}: " in x and said in x
                for x in waypost.err.splitlines()
            ), (line, waypost.err)


def test_a_rollback_that_would_undo_a_later_change_asks_for_force(waypost, plan, pools):
    assert waypost("cutover", "apply", plan, "--force") == 0
    assert waypost("cutover", "confirm") == 0
    later = ("--display-name", "Later")
    assert waypost("endpoint", "set", "ocschat@contoso.test", *later) == 0
    assert waypost("cutover", "rollback") == 1
    assert "undo that, too: sip:ocschat@contoso.test" in waypost.err
    assert where(waypost) == AFTER
    assert waypost("cutover", "rollback", "--force") == 0
    assert where(waypost) == BEFORE
    assert waypost("endpoint", "history") == 0
    assert "cutover.rollback --force" in waypost.out


def test_an_armed_cutover_says_when_nobody_is_there_to_roll_back(waypost, plan, pools):
    assert waypost("cutover", "apply", plan, "--force", "--confirm-within", "5") == 0
    assert "rollback: no service runs here" in " ".join(waypost.out.split())


# -- the guard -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--probe",), 'say --guard "5 %"'),
        (("--min", "5"), 'say --guard "5 %"'),
        (("--for", "1h"), 'say --guard "5 %"'),
        (("--guard", "half"), "no share of failures"),
        (("--guard", "100 %"), "no share of failures"),
        (("--guard", "5 %", "--for", "soon"), "no time for a guard"),
        (("--again",), "not both"),
    ],
)
def test_a_guard_that_makes_no_sense_is_refused(waypost, plan, more, said):
    assert waypost("cutover", "apply", plan, *more) == 1
    assert said in " ".join(waypost.err.split())
    assert where(waypost) == BEFORE


def test_without_a_plan_or_a_rollback_there_is_nothing_to_apply(waypost, plan):
    assert waypost("cutover", "apply") == 1
    assert "name the plan" in waypost.err
    assert waypost("cutover", "apply", "--again") == 1
    assert "nothing to try again" in " ".join(waypost.err.split())


def test_a_guarded_cutover_says_what_it_was_told_and_what_it_has_seen(
    waypost, plan, pools
):
    words = ("--guard", "2.5 %", "--min", "50", "--for", "2h", "--probe", "--force")
    assert waypost("cutover", "apply", plan, *words) == 0
    said = " ".join(waypost.out.split())
    assert "guarded for 2 h: rolled back by itself when more than 2.5 %" in said
    assert waypost("cutover", "status") == 0
    shown = " ".join(waypost.out.split())
    assert "Guard : armed in the store, " in shown
    assert "left; whether a service watches is unknown: no command judges" in shown
    assert "the service has no admin listener" in shown
    assert "So far : no calls yet" in shown
    assert waypost("cutover", "status", "--json") == 0
    guard = waypost.json["guard"]
    assert (guard["limit_percent"], guard["min"], guard["probe"]) == (2.5, 50, True)
    assert 7100 < guard["seconds_left"] <= 7200
    assert (guard["state"], guard["watched"]) == ("armed", None)
    assert "no admin listener" in guard["watch_problem"]
    assert waypost("cutover", "confirm") == 0
    assert waypost("cutover", "status", "--json") == 0
    assert waypost.json["guard"]["state"] == "disarmed"


def test_a_guard_that_nobody_keeps_asks_for_force(waypost, plan, pools):
    assert waypost("cutover", "apply", plan, "--guard", "5 %") == 1
    said = " ".join(waypost.err.split())
    assert "no command judges a guard" in said and "--force goes on without" in said
    assert where(waypost) == BEFORE


def test_the_same_plan_for_the_same_users_again(waypost, plan, pools, tmp_path):
    """Whoever tries again has not the file, and must not switch more users."""
    text = f'[[change]]\nsip_address = "ocschat@contoso.test"\npool_fqdn = "{NEW}"\n'
    one = tmp_path / "one.toml"
    one.write_text(text)
    pilots = tmp_path / "pilots.txt"
    pilots.write_text("alice@contoso.test\n")
    words = ("--percent", "10", "--pilots", str(pilots), "--guard", "5 %")
    assert waypost("cutover", "apply", str(one), *words, "--force") == 0
    assert waypost("cutover", "rollback") == 0
    one.unlink()
    assert waypost("cutover", "apply", "--again", "--force") == 0
    assert waypost("cutover", "status", "--json") == 0
    (switch,) = waypost.json["switches"]
    assert switch["after"]["canary"]["percent"] == 10
    assert switch["after"]["canary"]["pilots"] == ["alice@contoso.test"]
    assert waypost.json["guard"]["state"] == "armed"
    assert 1700 < waypost.json["guard"]["seconds_left"] <= 1800


def test_every_cutover_is_listed_and_its_rows_are_not_undone_singly(
    waypost, plan, pools
):
    assert waypost("cutover", "list") == 0 and waypost.out == "no cutover yet\n"
    assert waypost("cutover", "apply", plan, "--force") == 0
    assert waypost("cutover", "rollback") == 0
    assert waypost("cutover", "apply", plan, "--force") == 0
    assert waypost("cutover", "list", "--json") == 0
    found = [(row["cutover"], row["state"]) for row in waypost.json]
    assert found == [(2, "applied"), (1, "rolled-back")]
    assert len(waypost.json[1]["switches"]) == 2
    assert waypost("cutover", "list", "--limit", "1", "--json") == 0
    assert len(waypost.json) == 1
    assert waypost("cutover", "list") == 0
    assert "rolled-back" in waypost.out and "plan.toml" in waypost.out
    waypost("endpoint", "history", "--json", "--limit", "1")
    number = str(waypost.json[0]["number"])
    before = where(waypost)
    assert waypost("endpoint", "undo", "--import", number) == 1
    assert "undo that with" in waypost.err and "cutover rollback" in waypost.err
    assert where(waypost) == before
