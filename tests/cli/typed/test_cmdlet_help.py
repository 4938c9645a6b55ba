"""`Get-Help` and `-?`: a cmdlet in its own words."""

import pytest

WORDS = ("New", "Get", "Set", "Remove")


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("ask", ["get-help", "-?", "/?", "--help"])
def test_a_cmdlet_has_a_page_of_its_own(waypost, word, ask):
    name = f"{word}-CsPersistentChatEndpoint"
    line = ("Get-Help", name) if ask == "get-help" else (name.lower(), ask)
    assert waypost(*line) == 0, waypost.err
    for part in ("NAME", "SYNOPSIS", "SYNTAX", "PARAMETERS", "REMARKS"):
        assert f"\n{part}\n" in waypost.out
    assert f"    {name}\n" in waypost.out
    about = waypost.out.partition("REMARKS")[0]
    assert ("--" not in about and "-PersistentChatPoolFqdn <String>" in about) or (
        word == "Remove"
    )
    assert max(map(len, waypost.out.splitlines())) < 80


def test_required_parameters_have_no_brackets(waypost):
    waypost("Get-Help", "New-CsPersistentChatEndpoint")
    syntax = " ".join(waypost.out.partition("SYNTAX")[2].split())
    assert (
        "-SipAddress <String> -PersistentChatPoolFqdn <String> [-DisplayName" in syntax
    )


def test_a_cmdlet_that_is_none_is_named(waypost):
    assert waypost("Get-Help", "Get-CsUser") == 2
    assert "the cmdlets are" in waypost.err
