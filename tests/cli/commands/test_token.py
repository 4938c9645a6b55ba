"""``waypost token``."""

import re

import pytest


def test_a_token_is_printed_once_and_never_again(waypost):
    assert waypost("token", "new", "ci", "--role", "operator") == 0
    token = waypost.out.strip()
    assert re.fullmatch(r"waypost_[\w-]{43}", token)
    assert waypost("token", "list") == 0
    assert token not in waypost.out
    assert re.search(
        r"^ci +operator +everything .* never +never +-$", waypost.out, re.M
    )
    waypost("endpoint", "history", "--json")
    assert [(row["verb"], row["key"]) for row in waypost.json] == [("token.new", "ci")]
    assert token not in waypost.out


@pytest.mark.here
def test_json_gives_the_token_with_what_it_may(waypost):
    waypost(
        *("token", "new", "ci", "--role", "viewer", "--domain", "contoso.test"),
        *("--endpoint", "sip:Chat@contoso.com", "--days", "7", "--json"),
    )
    made = waypost.json
    assert made["token"].startswith("waypost_")
    assert (made["role"], made["domains"]) == ("viewer", ["contoso.test"])
    assert made["endpoints"] == ["chat@contoso.com"]
    waypost("token", "list", "--json")
    (listed,) = waypost.json
    assert "token" not in listed
    assert listed == {key: made[key] for key in listed}


@pytest.mark.here
def test_a_token_is_revoked(waypost):
    waypost("token", "new", "ci", "--role", "operator")
    assert waypost("token", "revoke", "ci") == 0
    assert waypost.out == "revoked token ci\n"
    assert waypost("token", "revoke", "ci") == 1
    assert "waypost token list" in waypost.err
    waypost("token", "list")
    assert waypost.out == "no tokens\n"


def test_a_token_needs_a_role_that_there_is(waypost):
    assert waypost("token", "new", "ci") == 2
    assert waypost("token", "new", "ci", "--role", "root") == 2
    assert "viewer" in waypost.err
