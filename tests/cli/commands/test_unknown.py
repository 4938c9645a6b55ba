"""`waypost usage --unknown`: what is dialled and nobody serves, and a plan of it."""

import asyncio
import csv
import io

import pytest

from proxy.config import load_config
from proxy.endpoints.usage import Usage
from proxy.store import open_store

DIALLED = "persistentchat@contoso.test"


@pytest.fixture
def dialled(config_file):
    """As a running proxy would count."""

    def count(address, *callers):
        async def save():
            store = await open_store(load_config(config_file).store_url)
            await store.add_unknown(
                [
                    Usage(address, each, 1e9, 2e9, 3, 3, "UCCAPI", "e", "tcp:10.1.1.1")
                    for each in callers
                ]
            )
            await store.close()

        asyncio.run(save())

    return count


def test_what_nobody_serves_in_each_form(waypost, dialled):
    assert waypost("usage", "--unknown") == 0
    assert "no address was dialled that nothing serves" in waypost.out
    dialled(DIALLED, "alice@contoso.test", "bob@contoso.test")
    assert waypost("usage", "--unknown") == 0
    assert f"sip:{DIALLED}" in waypost.out
    assert all(len(line) <= 80 for line in waypost.out.splitlines()[2:])
    assert waypost("usage", "--unknown", f"SIP:{DIALLED}") == 0
    assert "bob@contoso.test" in waypost.out
    assert waypost("usage", "--unknown", "--json") == 0
    (view,) = waypost.json
    assert (view["sip_address"], view["users"], view["requests"]) == (
        *(f"sip:{DIALLED}", 2, 6),
    )
    waypost("usage", "--unknown", "--csv")
    rows = list(csv.DictReader(io.StringIO(waypost.out)))
    assert {row["client"] for row in rows} == {"alice@contoso.test", "bob@contoso.test"}
    assert waypost("usage", "--unknown", "nobody@contoso.test") == 1
    assert "waypost usage --unknown" in waypost.err


def test_the_plan_is_one_that_cutover_plan_takes(waypost, dialled, tmp_path):
    waypost.create()
    dialled(DIALLED, "alice@contoso.test")
    plan = tmp_path / "plan.toml"
    assert waypost("usage", "--unknown", "--as-plan", str(plan)) == 0
    assert "waypost cutover plan" in waypost.out
    waypost("usage", "--unknown", "--as-plan", "-")
    assert waypost.out.rstrip() == plan.read_text().rstrip()
    waypost("cutover", "plan", str(plan), "--json")
    assert waypost.code != 2 and DIALLED in waypost.out
    waypost.create(DIALLED)
    assert waypost("usage", "--unknown", "--as-plan", "-") == 1
    assert "nobody has dialled" in waypost.err


@pytest.mark.parametrize(
    "line",
    [
        ("--as-plan", "-"),
        ("--unknown", "--pool-fqdn", "p.test"),
        ("--unknown", "--watch"),
        ("--unknown", "--daily"),
    ],
)
def test_what_does_not_go_together_says_so(waypost, line):
    assert waypost("usage", *line) == 1
    assert "--as-plan FILE" in waypost.err


def test_a_plan_that_cannot_be_written(waypost, dialled, tmp_path):
    dialled(DIALLED, "alice@contoso.test")
    there = str(tmp_path / "no" / "plan.toml")
    line = "usage", "--unknown", "--pool-fqdn", "p.test", "--as-plan", there
    assert waypost(*line) == 1
    assert "cannot be written" in waypost.err


def test_who_is_forgotten_is_forgotten_there_too(waypost, dialled):
    dialled(DIALLED, "alice@contoso.test")
    assert waypost("usage", "forget", "alice@contoso.test") == 0
    assert "1 row forgotten" in waypost.out
    waypost("usage", "--unknown", "--json")
    assert waypost.json == []
