"""`waypost usage`, `endpoint retire`, and the way to remove."""

import asyncio
import csv
import io
import re
import sqlite3
from datetime import datetime

import pytest

from proxy import clock
from proxy.config import load_config
from proxy.endpoints.usage import Usage
from proxy.store import open_store
from proxy.store.factory import sqlite_path

KEY = "ocschat@contoso.test"
DAY = 86_400


@pytest.fixture
def used(config_file, waypost):
    """Counts some uses, as a running proxy would."""
    waypost.create()

    def count(aor, days_ago, times=1, agent="UCCAPI/3.5"):
        at = clock.wall() - days_ago * DAY
        row = Usage(KEY, aor, at, at, times, 0, agent, "ab12", "tcp:10.1.1.1")

        async def save():
            store = await open_store(load_config(config_file).store_url)
            await store.add_usage([row])
            await store.close()

        asyncio.run(save())

    return count


@pytest.fixture
def age(config_file):
    """Makes the endpoint as old as that."""

    def make(days):
        path = sqlite_path(load_config(config_file).store_url)
        with sqlite3.connect(path) as db:
            db.execute(
                "UPDATE endpoints SET body = json_set(body, '$.created_at', ?)",
                (clock.wall() - days * DAY,),
            )

    return make


def test_an_endpoint_in_use_says_how_many_use_it(waypost, used):
    used("alice@contoso.test", 0.5, 3)
    used("bob@contoso.test", 20)
    assert waypost("usage") == 0
    assert f"sip:{KEY}: 1 user in the last 14 days" in waypost.out
    assert "->" not in waypost.out
    assert waypost("usage", KEY) == 0
    assert [line.split()[0] for line in waypost.out.splitlines()[1:3]] == [
        "alice@contoso.test",
        "bob@contoso.test",
    ]


def test_a_quiet_endpoint_is_retired_and_then_removed(waypost, used, age):
    age(40)
    used("alice@contoso.test", 15.5)
    waypost("usage")
    day = datetime.fromtimestamp(clock.wall() - 15.5 * DAY).strftime("%Y-%m-%d")
    said = f"0 users for 15 days, last was alice@contoso.test on {day}\n"
    assert said in waypost.out
    assert f'-> "waypost endpoint retire sip:{KEY}" answers 410' in waypost.out
    assert waypost("endpoint", "retire", KEY, "--text", "Use the new client") == 0
    assert "state: active -> retired" in waypost.out
    waypost("usage")
    assert f'-> "waypost endpoint remove sip:{KEY}" ends it' in waypost.out
    waypost("endpoint", "remove", KEY)
    waypost("usage", "--json")
    (view,) = waypost.json
    assert (view["state"], view["users"]) == ("removed", 1)


def test_an_endpoint_that_nobody_ever_used_says_so(waypost, used):
    waypost("usage", KEY)
    never, counted = waypost.out.splitlines()
    assert never == f"sip:{KEY}: never used in the 0 days since it was created"
    assert "legacy clients only" in counted


def test_an_endpoint_that_was_made_anew_has_not_been_quiet_for_long(waypost, used, age):
    """What is known of an earlier one of that address is no reason to retire it."""
    used("alice@contoso.test", 20)
    age(2)
    waypost("usage", KEY)
    assert (
        "never used in the 2 days since it was created; last was alice@" in waypost.out
    )
    assert "->" not in waypost.out
    age(14)
    waypost("usage", KEY)
    assert "-> " in waypost.out


def test_csv_has_every_row_and_no_formula_of_a_strangers(waypost, used):
    used("=alice@contoso.test", 1, agent='=cmd("x")')
    waypost("usage", "--csv")
    (row,) = csv.DictReader(io.StringIO(waypost.out))
    assert row["client"] == "'=alice@contoso.test" and row["count"] == "1"
    assert row["user_agent"] == '\'=cmd("x")'
    assert row["first_seen"].endswith("+00:00")


@pytest.mark.parametrize(
    "written",
    [
        *(
            "=1+1",
            "+1",
            "-1",
            "@a",
            "\tx",
            ";=1",
            ";x",
            "a;=cmd|' /C calc'!A0",
            "a, @b",
        ),
        *("a;;-1", 'a;"=1', "|a", "\uff1d1"),
    ],
)
def test_no_cell_is_a_formula_however_the_table_is_split(waypost, used, written):
    used("alice@contoso.test", 1, agent=written)
    waypost("usage", "--csv")
    (row,) = csv.DictReader(io.StringIO(waypost.out))
    for piece in re.split("[;,]", row["user_agent"]):
        assert not piece.lstrip(' "').startswith(tuple("=+-@|\t\r\uff1d"))
    assert not row["user_agent"].startswith(";")
    assert row["user_agent"].replace("'", "") == written.replace("'", "")


def test_one_long_name_pads_no_other_line(waypost, used):
    used("a" * 5000 + "@contoso.test", 1)
    for number in range(20):
        used(f"user{number}@contoso.test", 1)
    waypost("usage", KEY)
    lines = waypost.out.splitlines()
    assert sum(map(len, lines)) < 20_000
    assert max(len(line) for line in lines if "user1@" in line) < 400


def test_watch_follows_for_as_long_as_it_is_told(waypost, used):
    used("alice@contoso.test", 1)
    assert waypost("usage", KEY, "--watch", "--seconds", "0.05") == 0
    assert "alice@contoso.test" in waypost.out
    assert waypost("usage", "--watch") == 1
    assert "--watch needs a terminal" in waypost.err


@pytest.mark.parametrize("text", ["two\nlines", "x" * 300])
def test_a_text_that_fits_no_status_line_is_refused(waypost, used, text):
    assert waypost("endpoint", "retire", KEY, "--text", text) == 1


def test_a_user_agent_gives_the_terminal_no_orders(waypost, used):
    used("alice@contoso.test", 1, agent="UC\x1b[31mAPI")
    for line in (("usage", KEY), ("usage", KEY, "--watch", "--seconds", "0.01")):
        waypost(*line)
        assert "alice@" in waypost.out and "\x1b[31m" not in waypost.out


def test_to_retire_what_is_in_use_is_not_refused_but_said(waypost, used):
    used("alice@contoso.test", 3)
    note = "note: 1 user in the last 14 days; whoever still asks gets 410"
    assert waypost("endpoint", "retire", KEY, "--what-if") == 0
    assert waypost.out.splitlines()[-1] == f"What if: {note}"
    assert waypost("endpoint", "retire", KEY) == 0
    assert waypost.out.splitlines()[-1] == note
    assert waypost("endpoint", "undo", "2") == 0
    assert waypost("endpoint", "retire", KEY, "--quiet") == 0
    assert (waypost.out, waypost.err) == ("", f"{note}\n")


def test_to_retire_what_nobody_uses_needs_no_word(waypost, used):
    used("alice@contoso.test", 20)
    assert waypost("endpoint", "retire", KEY) == 0
    assert "note" not in waypost.out + waypost.err


def test_where_nobody_counts_nothing_is_known_and_nothing_advised(
    waypost, used, age, config_file
):
    used("alice@contoso.test", 200)
    age(300)
    config_file.write_text(config_file.read_text() + "\n[usage]\nledger = false\n")
    for words in (("usage",), ("usage", KEY)):
        assert waypost(*words) == 0
        said = " ".join(waypost.out.split())
        assert "unknown, nobody counts: [usage] ledger = false; last counted" in said
        assert "endpoint retire" not in said and "0 users for" not in said
    assert waypost("usage", "--json") == 0
    (view,) = waypost.json
    assert (view["is_quiet"], view["is_counted"]) == (False, False)
    assert waypost("endpoint", "retire", KEY) == 0
    assert "nobody counts" in " ".join(waypost.out.split())
    assert waypost("usage") == 0
    assert "endpoint remove" not in waypost.out
