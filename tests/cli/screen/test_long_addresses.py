"""Full-length IPv6 addresses, names and aliases on a screen of 80 columns.

None is broken, and none hides what stands beside it.
"""

import re
from dataclasses import replace

import pytest

from proxy.admin.control import EndpointView, PoolView
from proxy.admin.doctor.verdicts import Step
from proxy.admin.pool_show import ServiceView, with_health
from proxy.cli.commands import calls, endpoint, service
from proxy.cli.screen import render
from proxy.cli.screen.call_ladder import ladder
from proxy.cli.screen.explained import print_both, print_one
from proxy.cli.screen.pool_table import print_pool
from proxy.cli.screen.steps import print_steps
from proxy.endpoints.model import Drain, Endpoint, LearnedUri, Pool
from proxy.pools.description import FrontEndRow, PoolDescription, RecordRow
from tests.cli.screen.test_explained import TOLD, WAY

HOST = "2001:0db8:1111:2222:3333:4444:5555:66{}"
PLACE = "[2001:0db8:1111:2222:3333:4444:5555:66{}]:65535"
POOL = "persistent-chat-pool-of-the-help-desk.emea.corp.contoso.test"
NAME = "front-end-{}-of-" + POOL
ALIAS = "sip:persistentchat-of-the-help-desk-with-a-long-name@emea.corp.contoso.test"
SENTENCE = "the connection was refused by the other end in the last two minutes"


@pytest.fixture
def screen(monkeypatch, capsys):
    """What was printed since the last time, once it fits: only what is longer than a
    line may be, and stands alone there."""
    monkeypatch.setenv("COLUMNS", "80")

    def shown(*whole: str) -> str:
        text = capsys.readouterr().out
        for line in text.splitlines():
            longest = max(map(len, line.split()), default=0)
            assert len(line) <= 80 or longest > 72, line
        for each in whole:
            assert each in text, each
        return text

    return shown


def front_end(number, state="ejected"):
    return {
        **{"name": NAME.format(number), "transport": "tls", "port": 65535},
        **{"address": HOST.format(number), "state": state, "reason": SENTENCE},
        **{"state_for": 8.0, "drained": None, "calls": 41, "failed": 7},
        **{"next_probe_in": 2.0, "certificate_ends": "2036-01-01T00:00:00+00:00"},
        **{"failed_in_dialogs": 3, "ejected_for": 1.0},
        "transitions": [
            {"at": "2026-03-02T09:42:11+00:00", "state": state, "reason": SENTENCE}
        ],
    }


def test_pool_show(screen):
    numbers = "11", "22", "33"
    rows = tuple(
        FrontEndRow(
            *(n, "tls", NAME.format(each), HOST.format(each), 65535, 0, 0, 0.3),
            *("unknown", 0.0, "", 0.0),
        )
        for n, each in enumerate(numbers, 1)
    )
    records = tuple(
        RecordRow(
            f"_sipinternaltls._tcp.{POOL}",
            "SRV",
            f"0 0 65535 {x.name}",
            9.0,
            1.0,
            None,
            "",
        )
        for x in rows
    )
    drain = Drain(HOST.format("22"), 65535, POOL, SENTENCE, "anna", 1.0)
    seen = [front_end(each) for each in numbers]
    seen[1]["drained"] = {
        **{"front_end": drain.front_end, "port": 65535, "pool": POOL},
        **{"reason": SENTENCE, "by": "anna", "until": None},
    }
    asked = PoolDescription(POOL, "", "", ("tls",), 0.0, 60.0, None, records, rows)
    view = PoolView(Pool(POOL), (ALIAS, ALIAS), (drain,), 3)
    for about in (
        ServiceView(minutes=10, front_ends=tuple(seen)),
        ServiceView(problem=f"{PLACE.format('99')} does not answer"),
    ):
        print_pool(view, with_health(asked, about), [PLACE.format("53")], about)
        text = screen(POOL, ALIAS, PLACE.format("53"), *(x.name for x in rows))
        assert "rollback of cutover 3" in " ".join(text.split())
        for each in numbers:
            assert PLACE.format(each) in text
        if not about.problem:
            assert text.count("Calls: 41") == text.count("Failed: 7") == 3
            assert " ".join(text.split()).count(SENTENCE) > 6


def test_status(screen):
    place = {"transport": "tls", "address": HOST.format("11"), "port": 65535}
    found = {
        **{
            "version": "1",
            "phase": "ready",
            "up_seconds": 1.0,
            "listeners": [place] * 3,
        },
        **{"store": f"redis://{PLACE.format('77')}/0", "endpoints": 1, "bindings": 1},
        **{"conflicts": {}, "open_transactions": 0, "connections": 0},
        "down": {"store": f"cannot connect to {PLACE.format('88')}: {SENTENCE}"},
        "pools": {
            POOL: {"front_ends": [front_end("11"), front_end("22")], "error": ""},
            f"old.{POOL}": {"front_ends": [], "error": SENTENCE},
        },
    }
    service._print_status(found)
    text = screen(POOL, f"old.{POOL}", *(PLACE.format(n) for n in ("11", "77", "88")))
    assert text.count("Because: the") == 2 and "tls:" + PLACE.format("22") in text


def test_endpoints(screen):
    one = Endpoint(ALIAS, ALIAS[4:], POOL, created_at=1.0, changed_at=1.0)
    one = replace(one, service_uris=(f"sip:*@{POOL}", f"sip:gc-*@{POOL}"))
    learned = LearnedUri(
        f"sip:GC-1-PersistentChatService-1@{POOL}", "k@b", POOL, ALIAS, 1.0, 2.0
    )
    view = EndpointView(one, [learned], [])
    endpoint._print_list([view])
    screen(ALIAS, POOL, *one.service_uris, learned.uri, "State", "Last used")
    endpoint._print_one(view)
    screen(ALIAS, POOL, *one.service_uris, learned.uri, "State")


def test_calls(screen):
    line = {
        **{"at": 1.0, "from": ALIAS, "method": "INVITE", "status": 504, "seconds": 9.0},
        **{"endpoint": ALIAS[4:], "request_uri": ALIAS, "pool": POOL},
        **{"reason": SENTENCE, "ended": "BYE from the caller", "ended_at": 2.0},
        **{"failures": [], "call_id": "3f" * 16 + "@" + HOST.format("11")},
        "attempts": [
            {"front_end": f"{NAME.format(n)}", "outcome": "refused", "seconds": 2.0}
            for n in (11, 22)
        ],
    }
    render.print_table(calls._COLUMNS, [calls._row(line)] * 3)
    text = screen(ALIAS, line["call_id"], NAME.format(11), NAME.format(22))
    assert text.count("504") == 3 and text.count("BYE from the caller") == 3


def test_explain(screen):
    def candidate(number):
        host = {"name": NAME.format(number), "host": HOST.format(number)}
        return {**WAY["candidates"][0], **host, "port": 65535, "reason": SENTENCE}

    way = {**WAY, "candidates": [candidate("11"), candidate("22")], "pool": POOL}
    told = {
        **{**TOLD, "ways": [way], "uri": ALIAS, "from": ALIAS},
        **{"source": HOST.format("88"), "listener": f"tls:{PLACE.format('99')}"},
        "answer": {
            **{"status": 504, "reason": "Server time-out"},
            "diagnostics": f'1007;source="{POOL}";reason="no";frontend="{NAME}"',
        },
    }
    both = PLACE.format("11"), PLACE.format("22")
    print_one(told)
    screen(ALIAS, POOL, HOST.format("88"), PLACE.format("99"), NAME.format("11"), *both)
    print_both(told, {**told, "ways": [{**way, "pool": f"new.{POOL}"}]}, "plan.toml")
    screen(ALIAS, POOL, f"new.{POOL}", *both)


def test_doctor(screen):
    text = f"{PLACE.format('11')} answers OPTIONS {SENTENCE}"
    print_steps([Step(ALIAS, "front end", "failed", text, f"look at {POOL}", 2.0)])
    screen(ALIAS, PLACE.format("11"), POOL)


@pytest.mark.parametrize("width", [60, 80, 132, 200])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("named", [True, False])
def test_trace(width, count, named):
    hosts = [HOST.format(10 + number) for number in range(count)]
    places = [PLACE.format(10 + number) for number in range(count)]
    call = {
        **{"call_id": "3f" * 16, "from": f"<{ALIAS}>", "why": ["failed"], "facts": []},
        "names": {x: NAME.format(n) for n, x in enumerate(hosts)} if named else {},
        "messages": [
            {
                **{"at": number / 10, "direction": way, "transport": "tls"},
                **{"peer": place, "data": f"{text}\r\nCSeq: {number} INVITE\r\n\r\n"},
            }
            for number, place in enumerate(places)
            for way, text in (
                ("out" if number else "in", "INVITE sip:a@b SIP/2.0"),
                ("in" if number else "out", "SIP/2.0 504 Server time-out"),
            )
        ],
    }
    lines = ladder(call, width)
    for line in lines:
        alone = re.sub(r"^(\[\d\]|From) +", "", line)
        assert len(line) <= width or len(alone.split()) == 1, line
    text = "\n".join(lines)
    assert all(place in text for place in places)
    assert not named or all(NAME.format(n) in text for n in range(count))
    # Each arrow leads to somebody who can be told from the others.
    arrows = [x for x in lines if "│" in x and ("INVITE" in x or "504" in x)]
    assert len(arrows) == 2 * count
    if "[1]" in text:
        shown = next(x for x in lines if "waypost" in x)
        for number in range(2, count + 1):
            said = any(f"[{number}]" in x for x in arrows)
            assert said or f"[{number}]" in shown
