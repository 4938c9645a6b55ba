"""Pipelines as PowerShell has them: what one command prints, the next one reads."""

import io
import json
import sys

import pytest


@pytest.fixture
def pipe(monkeypatch):
    """Puts text where a command reads what comes through a pipe."""

    def put(text):
        data = text if isinstance(text, bytes) else text.encode()
        stream = io.TextIOWrapper(io.BytesIO(data))
        monkeypatch.setattr(sys, "stdin", stream)

    return put


@pytest.fixture
def three(waypost):
    for number in (1, 2, 3):
        pool = "old.contoso.test" if number < 3 else "other.contoso.test"
        waypost.create(f"chat{number}@contoso.test", pool)
    return waypost


def addresses(waypost):
    waypost("endpoint", "get", "--json")
    return [row["sip_address"] for row in waypost.json]


def test_all_endpoints_of_a_pool_are_removed_by_get_piped_to_remove(three, pipe):
    get = ("-PersistentChatPoolFqdn", "old.contoso.test", "--json")
    three("Get-CsPersistentChatEndpoint", *get)
    pipe(three.out)
    assert three("Remove-CsPersistentChatEndpoint") == 0
    assert three.out == ""
    assert addresses(three) == ["sip:chat3@contoso.test"]
    three("endpoint", "history", "--json")
    assert len({row["version"] for row in three.json[:2]}) == 1, "one transaction"


def test_get_piped_to_set_leads_all_of_them_elsewhere(three, pipe):
    three("Get-CsPersistentChatEndpoint", "--json")
    pipe(three.out)
    line = ("Set-CsPersistentChatEndpoint", "-PersistentChatPoolFqdn", "new.test")
    assert three(*line, "-WhatIf") == 0
    assert three.out.count("change endpoint") == 3
    pipe(json.dumps([{"SipAddress": "sip:chat1@contoso.test"}, "chat2@contoso.test"]))
    assert three(*line) == 0
    three("endpoint", "get", "--json", "--pool-fqdn", "new.test")
    assert len(three.json) == 2


def test_get_takes_identities_from_a_pipe_where_a_dash_asks_for_it(three, pipe):
    pipe("sip:chat3@contoso.test\r\nchat1@contoso.test\r\nCHAT1@contoso.test\r\n")
    assert three("Get-CsPersistentChatEndpoint", "-", "--json") == 0
    assert [row["sip_address"] for row in three.json] == [
        "sip:chat3@contoso.test",
        "sip:chat1@contoso.test",
    ]
    pipe("nobody@contoso.test\n")
    assert three("endpoint", "get", "-") == 1
    assert addresses(three) == [f"sip:chat{n}@contoso.test" for n in (1, 2, 3)]


def test_one_stranger_in_the_pipe_and_nothing_is_done(three, pipe):
    pipe("chat1@contoso.test\nnobody@contoso.test\n")
    assert three("endpoint", "remove") == 1
    assert len(addresses(three)) == 3


def test_objects_without_an_address_are_an_error_and_change_nothing(three, pipe):
    for verb in (
        "endpoint remove",
        "endpoint set --pool-fqdn new.test",
        "endpoint get -",
    ):
        pipe('[{"DisplayName": "chat1"}, {"SipAddress": "chat2@contoso.test"}]')
        assert three(*verb.split()) == 1
        assert "object 1 has no SIP address" in three.err
    assert len(addresses(three)) == 3
    three("endpoint", "get", "--json", "--pool-fqdn", "new.test")
    assert three.json == []


def test_a_search_that_found_nothing_pipes_nothing_on(three, pipe):
    pipe("[]")
    assert three("endpoint", "remove") == 0
    assert len(addresses(three)) == 3


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_pipe_names_nobody(three, pipe, text):
    pipe(text)
    assert three("endpoint", "remove") == 2
    assert "which endpoint?" in three.err


def test_what_is_no_json_is_refused(three, pipe):
    pipe('[{"SipAddress": ')
    assert three("endpoint", "remove") == 1
    assert "not JSON" in three.err


def test_a_named_identity_is_not_looked_for_in_the_pipe(three, pipe):
    pipe("chat1@contoso.test")
    assert three("endpoint", "remove", "chat2@contoso.test") == 0
    assert "sip:chat1@contoso.test" in addresses(three)


def test_result_size_0_runs_and_returns_nothing(three):
    assert three("Get-CsPersistentChatEndpoint", "-ResultSize", "0", "--json") == 0
    assert three.json == []


def test_an_ambiguous_display_name_is_an_error_that_lists_them(three):
    for number in (1, 2):
        line = ("endpoint", "set", f"chat{number}@contoso.test")
        three(*line, "--display-name", "Chat")
    assert three("Get-CsPersistentChatEndpoint", "-Identity", "chat") == 1
    assert "sip:chat1@contoso.test, sip:chat2@contoso.test" in three.err


def test_filters_work_on_properties(three):
    text = (
        '{PersistentChatPoolFqdn -eq "old.contoso.test" -and SipAddress -like "*2@*"}'
    )
    three("Get-CsPersistentChatEndpoint", "-Filter", text, "--json")
    assert [row["sip_address"] for row in three.json] == ["sip:chat2@contoso.test"]


@pytest.mark.parametrize("verb", ["Set", "Remove"])
def test_confirm_does_not_go_on_by_itself(three, pipe, verb):
    more = ("-DisplayName", "x") if verb == "Set" else ()
    line = (f"{verb}-CsPersistentChatEndpoint", "chat1@contoso.test", *more)
    pipe("")
    assert three(*line, "-Confirm") == 1
    assert "cannot ask" in three.err
    assert three(*line, "-Confirm:$false") == 0
