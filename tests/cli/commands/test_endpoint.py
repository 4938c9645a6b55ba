"""waypost endpoint, from the line to the store and back."""

import asyncio

import pytest

from proxy.store import open_store

POOL = "pcpool.contoso.test"


def test_new_says_one_line_and_get_shows_it(waypost):
    waypost.create()
    assert waypost.out == f"created sip:ocschat@contoso.test -> {POOL}\n"
    assert waypost("endpoint", "get") == 0
    head, row = waypost.out.splitlines()
    assert head.split()[:3] == ["SIP", "address", "Pool"]
    assert row.split()[:2] == ["sip:ocschat@contoso.test", POOL]


def test_an_empty_table_is_said(waypost):
    assert waypost("endpoint", "get") == 0
    assert waypost.out == "no endpoints\n"
    assert waypost("endpoint", "get", "--json") == 0
    assert waypost.json == []


def test_what_if_prints_and_changes_nothing(waypost):
    line = "endpoint new --sip-address a@contoso.test --pool-fqdn p.q --what-if"
    assert waypost(*line.split()) == 0
    assert waypost.out.startswith("What if: create endpoint sip:a@contoso.test\n")
    waypost("endpoint", "get", "--json")
    assert waypost.json == []


def test_json_of_a_change_has_before_and_after(waypost):
    waypost.create()
    waypost(
        "endpoint", "set", "ocschat@contoso.test", "--request-uri", "keep", "--json"
    )
    (change,) = waypost.json["changes"]
    assert (change["kind"], change["key"]) == ("endpoint", "ocschat@contoso.test")
    assert change["before"]["request_uri"] == "pool-host"
    assert change["after"]["request_uri"] == "keep"
    assert waypost.json["what_if"] is False


def test_every_field_goes_in_and_comes_out(waypost):
    line = (
        "--json endpoint new --sip-address A@contoso.test --pool-fqdn P.contoso.test "
        "--display-name Chat --request-uri sip:x@y.z --service-uri GC-*@contoso.test "
        "--service-uri GD-*@contoso.test"
    )
    assert waypost(*line.split()) == 0
    waypost("endpoint", "get", "a@contoso.test", "--json")
    (endpoint,) = waypost.json
    assert endpoint["sip_address"] == "sip:A@contoso.test"
    assert endpoint["pool_fqdn"] == "p.contoso.test"
    assert endpoint["display_name"] == "Chat"
    assert endpoint["request_uri"] == "sip:x@y.z"
    assert endpoint["service_uris"] == [
        "sip:GC-*@contoso.test",
        "sip:GD-*@contoso.test",
    ]


def test_get_shows_learned_uris_of_one_and_of_all(waypost, config_file):
    waypost.create()

    async def learn():
        store = await open_store(f"sqlite:///{config_file.parent}/waypost.db")
        key = "ocschat@contoso.test"
        await store.learn("sip:GC-1@contoso.test", POOL, key, 1_800_000_000.0)
        await store.close()

    asyncio.run(learn())
    waypost("endpoint", "get")
    assert "Learned from pools" in waypost.out
    assert f"sip:GC-1@contoso.test  {POOL}" in waypost.out
    waypost("endpoint", "get", "ocschat@contoso.test")
    assert f"sip:GC-1@contoso.test -> {POOL}" in waypost.out
    waypost("endpoint", "get", "--json")
    assert waypost.json[0]["learned"][0]["uri"] == "sip:GC-1@contoso.test"


def test_set_prints_the_difference_and_pass_thru_the_endpoint(waypost):
    waypost.create()
    waypost("endpoint", "set", "ocschat@contoso.test", "--pool-fqdn", "new.test")
    assert waypost.out.splitlines() == [
        "changed endpoint sip:ocschat@contoso.test",
        f"  pool_fqdn: {POOL} -> new.test",
    ]
    waypost("endpoint", "set", "ocschat@contoso.test", "--pool-fqdn", "new.test")
    assert waypost.out == "nothing to change: it is so already\n"
    line = "endpoint set ocschat@contoso.test --display-name X --pass-thru"
    waypost(*line.split())
    assert "DisplayName            : X\n" in waypost.out


def test_remove_says_where_it_led(waypost):
    waypost.create()
    assert waypost("endpoint", "remove", "sip:OCSCHAT@contoso.test") == 0
    assert waypost.out == f"removed sip:ocschat@contoso.test (it led to {POOL})\n"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("new --sip-address ocschat@contoso.test --pool-fqdn p.q", "exists already"),
        ("new --sip-address a@fabrikam.test --pool-fqdn p.q", "not a domain we answer"),
        ("new --sip-address sips:a@contoso.test --pool-fqdn p.q", "sips: address"),
        ("new --sip-address tel:12 --pool-fqdn p.q", "telephone number"),
        ("new --sip-address a@contoso.test --pool-fqdn pool", "short name"),
        ("get nobody@contoso.test", "there is no endpoint"),
        ("set ocschat@contoso.test", "nothing to change: give"),
        ("remove nobody@contoso.test", "there is no endpoint"),
        ("remove ocschat@contoso.test --confirm", "cannot ask"),
    ],
)
def test_a_refusal_is_one_sentence_on_stderr_and_exit_code_1(waypost, line, says):
    waypost.create()
    assert waypost("endpoint", *line.split()) == 1
    assert waypost.out == ""
    assert waypost.err.startswith("waypost: ") and says in waypost.err
    assert waypost.err.count("\n") == 1


@pytest.mark.parametrize(
    "line",
    ["new", "set", "remove", "new --sip-address", "get --result-size x", "move", ""],
)
def test_a_line_that_is_not_understood_is_exit_code_2(waypost, line):
    assert waypost("endpoint", *line.split()) == 2


def test_the_address_cannot_be_set(waypost):
    waypost.create()
    line = "endpoint set ocschat@contoso.test --sip-address b@contoso.test"
    assert waypost(*line.split()) == 2


def test_errors_are_json_too_when_asked(waypost):
    import json

    assert waypost("endpoint", "get", "nobody", "--json") == 1
    error = json.loads(waypost.err)
    assert error["exit_code"] == 1 and "no endpoint" in error["error"]


def test_cmdlets_print_nothing_without_pass_thru(waypost):
    line = (
        "New-CsPersistentChatEndpoint -SipAddress persistentchat@contoso.com "
        "-PersistentChatPoolFqdn pcpool.contoso.com"
    )
    assert waypost(*line.split()) == 0
    assert (waypost.out, waypost.err) == ("", "")
    assert (
        waypost("get-cspersistentchatendpoint", "sip:PersistentChat@contoso.com") == 0
    )
    assert "PersistentChatPoolFqdn : pcpool.contoso.com\n" in waypost.out
    waypost("Set-CsPersistentChatEndpoint", "persistentchat@contoso.com",
            "-DisplayName", "Persistent Chat", "-PassThru")  # fmt: skip
    assert "DisplayName            : Persistent Chat\n" in waypost.out
    line = ("Remove-CsPersistentChatEndpoint", "-Identity", "Persistent Chat")
    assert waypost(*line, "-WhatIf") == 0
    assert waypost.out.startswith("What if: remove endpoint")
    assert waypost(*line) == 0
    assert waypost.out == ""
    assert waypost("Get-CsPersistentChatEndpoint", "--json") == 0
    assert waypost.json == []


def test_a_cmdlet_with_a_wrong_parameter_is_a_usage_error(waypost):
    assert waypost("New-CsPersistentChatEndpoint", "-Colour", "red") == 2
    assert "no parameter -Colour" in waypost.err


# -- pools that DNS does not know ------------------------------------------------------
