"""`waypost endpoint history` and `waypost endpoint undo`."""

from datetime import datetime

import pytest


@pytest.fixture
def changed(waypost):
    """One endpoint: created (1), led elsewhere (2)."""
    waypost.create()
    waypost(
        "endpoint", "set", "ocschat@contoso.test", "--pool-fqdn", "new.contoso.test"
    )
    return waypost


def pool_of(waypost):
    assert waypost("endpoint", "get", "ocschat@contoso.test", "--json") == 0
    return waypost.json[0]["pool_fqdn"]


@pytest.mark.here
def test_the_history_says_who_when_from_where_and_what(changed):
    assert changed("endpoint", "history", "ocschat@contoso.test", "--json") == 0
    newest, oldest = changed.json
    assert (newest["number"], oldest["number"]) == (2, 1)
    assert newest["verb"] == "endpoint.set" and newest["origin"].startswith("cli on ")
    assert newest["before"]["pool_fqdn"] == "pcpool.contoso.test"
    assert newest["after"]["pool_fqdn"] == "new.contoso.test"
    assert newest["actor"] and datetime.fromisoformat(newest["at"]).tzinfo
    assert changed("endpoint", "history") == 0
    assert "pool_fqdn: pcpool.contoso.test -> new.contoso.test" in changed.out


def test_an_undo_is_a_change_that_can_be_undone(changed):
    assert changed("endpoint", "undo", "2") == 0
    assert "pool_fqdn: new.contoso.test -> pcpool.contoso.test" in changed.out
    assert pool_of(changed) == "pcpool.contoso.test"
    changed("endpoint", "history", "--json")
    assert changed.json[0]["verb"] == "endpoint.undo 2"
    assert changed("endpoint", "undo", "3") == 0
    assert pool_of(changed) == "new.contoso.test"


def test_an_undo_is_refused_when_the_row_was_changed_again(changed):
    changed("endpoint", "set", "ocschat@contoso.test", "--pool-fqdn", "third.test")
    assert changed("endpoint", "undo", "2") == 1
    assert "changed again after change 2" in changed.err
    assert pool_of(changed) == "third.test"


def test_a_removed_endpoint_comes_back_and_keeps_its_history(changed):
    changed("endpoint", "remove", "ocschat@contoso.test")
    assert changed("endpoint", "undo", "3", "--what-if") == 0
    assert changed.out.startswith("What if: create endpoint")
    assert changed("endpoint", "undo", "3") == 0
    assert pool_of(changed) == "new.contoso.test"
    changed("endpoint", "history", "OCSCHAT@contoso.test", "--json")
    assert len(changed.json) == 4


def test_undo_of_a_pool_setting_goes_back_to_dns(waypost):
    waypost("pool", "set", "pcpool.contoso.test", "--transport", "tcp")
    assert waypost("endpoint", "undo", "1") == 0
    waypost("pool", "list", "--json")
    assert waypost.json == []


def test_what_never_happened_cannot_be_undone(waypost):
    assert waypost("endpoint", "undo", "7") == 1
    assert "there is no change 7" in waypost.err
    assert waypost("endpoint", "history", "nobody@contoso.test") == 1
    assert waypost("endpoint", "history") == 0
    assert waypost.out == "no changes\n"


# -- many at once --------------------------------------------------------------------

ROWS = "SipAddress,PersistentChatPoolFqdn\n" + "".join(
    f"sip:chat{number}@contoso.test,new.contoso.test\n" for number in range(40)
)


@pytest.fixture
def imported(changed, tmp_path):
    """40 endpoints of a file (3 to 42), one of them led elsewhere by it."""
    changed.create("chat7@contoso.test", "old.contoso.test")
    file = tmp_path / "import.csv"
    file.write_text(ROWS)
    assert changed("endpoint", "import", str(file)) == 0
    return changed


def addresses(waypost):
    assert waypost("endpoint", "get", "--json") == 0
    return {row["sip_address"]: row["pool_fqdn"] for row in waypost.json}


def test_an_import_is_undone_as_one_change_that_can_be_undone(imported):
    hint = imported.out.splitlines()[-2]
    assert hint.startswith('all of it back: "waypost endpoint undo --import ')
    number = hint.split()[-1].strip('"')
    assert len(addresses(imported)) == 41
    assert imported("endpoint", "undo", "--import", "5", "--what-if") == 0
    assert imported.out.count("What if: remove endpoint") == 39
    assert len(addresses(imported)) == 41
    assert imported("endpoint", "undo", "--import", number) == 0
    assert addresses(imported) == {
        "sip:ocschat@contoso.test": "new.contoso.test",
        "sip:chat7@contoso.test": "old.contoso.test",
    }
    imported("endpoint", "history", "--json")
    newest = imported.json[0]
    assert newest["verb"] == f"endpoint.undo --import {number}", "as one types it"
    same = [row for row in imported.json if row["version"] == newest["version"]]
    assert len(same) == 40, "one change of the table"
    assert imported("endpoint", "undo", "--batch", str(newest["number"])) == 0
    assert len(addresses(imported)) == 41


def test_an_import_of_which_something_was_changed_since_is_left_whole(imported):
    for number in (3, 12):
        address = f"chat{number}@contoso.test"
        imported("endpoint", "set", address, "--pool-fqdn", "third.test")
    before = addresses(imported)
    assert imported("endpoint", "undo", "--import", "5") == 1
    assert "nothing of change 5 was taken back:" in imported.err
    for number in (3, 12):
        assert f"chat{number}@contoso.test was changed again" in imported.err
    assert addresses(imported) == before


def test_what_would_come_back_over_somebody_registered_asks_for_force(imported, bind):
    assert imported("endpoint", "undo", "--import", "5") == 0
    bind("chat2@contoso.test")
    imported("endpoint", "history", "--json", "--limit", "1")
    number = str(imported.json[0]["number"])
    assert imported("endpoint", "undo", "--import", number) == 1
    assert "chat2@contoso.test" in imported.err and "--force" in imported.err
    assert imported("endpoint", "undo", "--import", number, "--force") == 0
    assert len(addresses(imported)) == 41
    imported("endpoint", "history", "--json", "--limit", "1")
    assert imported.json[0]["verb"].endswith(" --force")


def test_which_change_must_be_said_and_must_be(imported):
    for line in (("undo",), ("undo", "3", "--import", "3")):
        assert imported("endpoint", *line) == 1
        assert "say which change: N of the history, or --import N" in imported.err
    assert imported("endpoint", "undo", "--import", "900") == 1
    assert imported.err == (
        "waypost: there is no import 900, nor any other change: "
        '"waypost endpoint history" lists them, an import as endpoint.import\n'
    )
    assert imported("endpoint", "history") == 0 and "endpoint.import" in imported.out


def test_a_retired_endpoint_is_activated(waypost):
    waypost.create()
    assert waypost("endpoint", "retire", "ocschat@contoso.test", "--text", "Gone") == 0
    line = "endpoint", "activate", "ocschat@contoso.test"
    assert waypost(*line, "--what-if") == 0
    assert "What if:   state: retired -> active" in waypost.out
    assert waypost(*line) == 0
    assert "retired_text: Gone -> (none)" in waypost.out
    waypost("endpoint", "get", "ocschat@contoso.test", "--json")
    assert waypost.json[0]["state"] == "active"
    assert waypost(*line) == 0 and "nothing to change" in waypost.out
    waypost("endpoint", "history", "--json")
    assert waypost.json[0]["verb"] == "endpoint.activate"
    assert waypost("endpoint", "activate", "nobody@contoso.test") == 1
