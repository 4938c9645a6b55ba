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
