"""Lines that were not understood, and lines that were pasted."""

import json

import pytest

from proxy.cli.typed.arguments import plain_dashes

NEW = ("New-CsPersistentChatEndpoint", "-SipAddress", "a@contoso.test")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pool get x.y", '"waypost pool show" or "waypost pool list"'),
        ("pool remove x.y", 'there is no "waypost pool remove": there are drain, list'),
        ("endpoint show a", 'did you mean "waypost endpoint get" or '),
        ("endpoint delete a", 'did you mean "waypost endpoint remove"?'),
        ("endpoint gte a", 'did you mean "waypost endpoint get"?'),
        ("user add alice", 'did you mean "waypost user new"?'),
        ("cutover undo", 'did you mean "waypost cutover rollback"?'),
        ("xyzzy", 'there is no "waypost xyzzy": there are binding'),
    ],
)
def test_another_word_for_a_command_leads_to_ours(waypost, line, expected):
    assert waypost(*line.split()) == 2
    assert expected in waypost.err


def test_a_line_that_is_not_understood_is_json_with_json(waypost):
    assert waypost("--json", "endpoint", "new", "--pool-fqdn", "p.q") == 2
    said = json.loads(waypost.err)
    assert said["exit_code"] == 2
    assert "--sip-address" in said["error"] and "--help" in said["error"]


def test_a_cmdlet_s_mistakes_are_told_in_its_words(waypost):
    assert waypost(*NEW) == 2
    assert "-PersistentChatPoolFqdn" in waypost.err and "--pool" not in waypost.err
    assert '"waypost New-CsPersistentChatEndpoint --help"' in waypost.err
    assert waypost("Set-CsPersistentChatEndpoint", "a@contoso.test") == 1
    assert "-PersistentChatPoolFqdn, -DisplayName, -RequestUri" in waypost.err
    assert waypost("Remove-CsPersistentChatEndpoint", "-Confirm") == 2
    assert "-Identity" in waypost.err


def test_commands_that_a_sentence_advises_to_type_stay_ours(waypost):
    assert not waypost(*NEW, "-PersistentChatPoolFqdn", "p.q")
    assert waypost(*NEW, "-PersistentChatPoolFqdn", "other.q") == 1
    assert (
        '"waypost endpoint set sip:a@contoso.test --pool-fqdn other.q"' in waypost.err
    )


def test_our_own_spelling_is_told_in_ours(waypost):
    assert waypost("endpoint", "set", "a@contoso.test") == 1
    assert "--pool-fqdn, --display-name" in waypost.err


@pytest.mark.parametrize("dash", ["\u2013", "\u2014", "\u2012", "\u2212", "\u2013-"])
def test_a_typographic_dash_before_an_option_is_a_dash(dash):
    ours = ["endpoint", "new", f"{dash}sip-address", "a@b", f"{dash}q"]
    assert plain_dashes(ours) == ["endpoint", "new", "--sip-address", "a@b", "-q"]
    theirs = ["New\u2013CsPersistentChatEndpoint", f"{dash}SipAddress", "a@b"]
    theirs += [f"{dash}whatif:$true"]
    assert plain_dashes(theirs) == [*NEW[:2], "a@b", "-whatif:$true"]


def test_dashes_in_values_stay_what_they_are():
    line = ["endpoint", "new", "--display-name", "\u2013 Chat \u2013", "--", "\u2013q"]
    assert plain_dashes(line) == line


def test_a_pasted_cmdlet_works(waypost):
    line = "New-CsPersistentChatEndpoint \u2013SipAddress a@contoso.test "
    assert not waypost(*line.split(), "\u2014PersistentChatPoolFqdn", "p.q")
    search = "{DisplayName \u2013like \u201c*x*\u201d}"
    assert not waypost("Get-CsPersistentChatEndpoint", "\u2013Filter", search)
    assert waypost.out == "no endpoints\n"
    search = "{SipAddress \u2013like \u2018*a@*\u2019}"
    assert not waypost("Get-CsPersistentChatEndpoint", "-Filter", search)
    assert "sip:a@contoso.test" in waypost.out


@pytest.mark.parametrize(
    "line",
    [
        ("endpoint", "get", "\u201cgroup", "chat\u201d"),
        ("endpoint", "get", "\u201ca@contoso.test\u201d"),
        ("endpoint\u00a0get",),
        (
            "endpoint",
            "new",
            "--sip-address",
            "a@contoso.test\u200b",
            "--pool-fqdn",
            "x",
        ),
        ("pool", "set", "p\u2011q.contoso.test", "--port", "5060"),
    ],
)
def test_a_pasted_character_that_breaks_a_line_is_named(waypost, line):
    assert waypost(*line) in (1, 2)
    assert "(U+" in waypost.err


def test_instants_are_local_with_their_zone_for_people_and_iso_for_programs(
    waypost, monkeypatch
):
    import time
    from datetime import datetime, timedelta

    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        waypost.create("a@contoso.test")
        waypost("endpoint", "get", "a@contoso.test")
        assert "+0530" in waypost.out
        for line in ("endpoint get --json", "endpoint history --json"):
            waypost(*line.split())
            found = waypost.json[0].get("created_at") or waypost.json[0]["at"]
            assert datetime.fromisoformat(found).utcoffset() == timedelta(hours=5.5)
    finally:
        monkeypatch.undo()
        time.tzset()
