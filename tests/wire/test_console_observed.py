"""Calls, traces and explain over the API, in front of a running service."""

import asyncio
import contextlib
import json
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from tests.support.capture import needs_capture
from tests.support.console import caller, in_store, new_token
from tests.support.console import running_console as console_of
from tests.support.ports import free_port
from tests.support.stage import Stage, stage

PLAN = """
[[change]]
sip_address = "sip:ocschat@contoso.test"
pool_fqdn = "other.contoso.test"
"""


@contextlib.asynccontextmanager
async def desk(
    tmp_path: Path, extra: str = "", **more: Any
) -> AsyncIterator[tuple[Stage, httpx.Client]]:
    extra += f'[console]\nlisten = "127.0.0.1:{free_port()}"\n'
    async with stage(tmp_path, extra=extra, **more) as world:
        token = await asyncio.to_thread(new_token, world.config, "operator")
        running = console_of(world.config)
        console = await asyncio.to_thread(running.__enter__)
        try:
            with caller(console.url, token) as client:
                yield world, client
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)


async def ask(client: httpx.Client, path: str, **more: Any) -> httpx.Response:
    method = more.pop("method", "GET")
    return await asyncio.to_thread(client.request, method, path, **more)


async def until(client: httpx.Client, path: str, count: int) -> Any:
    """What is there once there are so many."""
    deadline = time.monotonic() + 10
    while True:
        found = (await ask(client, path)).json()
        if len(found) >= count or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.1)


async def test_the_last_calls_are_listed_the_newest_first(tmp_path: Path) -> None:
    async with desk(tmp_path) as (world, client):
        for number, uri in enumerate(
            ("sip:ocschat@contoso.test", "sip:no@contoso.test")
        ):
            world.caller.say("INVITE", f"call-{number}", uri=uri)
            await world.caller.answer(f"call-{number}")
            await asyncio.sleep(0.05)
        lines = await until(client, "/calls?aor=alice", 2)
        failed = (await ask(client, "/calls?failed=true&aor=alice")).json()
        one = (await ask(client, "/calls?limit=1&aor=alice")).json()
        later = await ask(client, "/calls", params={"since": "2099-01-01T00:00Z"})
        none = (await ask(client, "/calls?endpoint=nobody")).json()
    assert [x["call_id"] for x in lines] == ["call-1", "call-0"]
    assert lines[1]["at"].startswith("20")
    assert lines[1]["attempts"][0]["front_end"] == "fe1.contoso.test"
    assert [x["call_id"] for x in failed] == ["call-1"]
    assert [x["call_id"] for x in one] == ["call-1"]
    assert later.json() == [] and none == []


@needs_capture
async def test_a_call_is_a_ladder_and_a_capture(tmp_path: Path) -> None:
    async with desk(tmp_path) as (world, client):
        world.caller.say("INVITE", "lost/1@x", uri="sip:no@contoso.test")
        await world.caller.answer("lost/1@x")
        (call,) = await until(client, "/traces?failed=true", 1)
        params = {"call_id": "lost/1@x"}
        one = (await ask(client, "/traces/call", params=params | {"raw": "1"})).json()
        capture = await ask(client, "/traces/capture", params=params)
        missing = await ask(client, "/traces/call", params={"call_id": "never"})
        wrong = await ask(client, "/traces?source=nowhere")
    assert call["messages"] is None
    assert [x["name"] for x in call["peers"]] == ["client"]
    said = [(x["label"], x["is_in"]) for x in call["steps"]]
    assert said[0] == ("INVITE", True)
    assert ("404 Not Found", False) in said
    assert "rule nowhere" in next(x["reason"] for x in call["steps"] if x["reason"])
    assert one["messages"][0]["data"].startswith("INVITE sip:no@contoso.test SIP/2.0")
    assert capture.headers["content-type"] == "application/vnd.tcpdump.pcap"
    file = tmp_path / "call.pcap"
    file.write_bytes(capture.content)
    line = ["tshark", "-r", str(file), "-d", "udp.port==5060,sip", "-V"]
    shown = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    assert "lost/1@x" in shown
    assert missing.status_code == 404
    assert (wrong.status_code, "is no address" in wrong.text) == (422, True)


async def test_a_live_trace_tells_messages_as_they_come(tmp_path: Path) -> None:
    async with desk(tmp_path) as (world, client):

        def follow() -> list[Any]:
            params = {"from": "alice", "for": "4"}
            headers = {"Accept": "text/event-stream"}
            found = client.get("/traces/live", params=params, headers=headers).text
            pairs = [x.split("\ndata: ") for x in found.split("\n\n") if "data: " in x]
            return [(name[7:], json.loads(data)) for name, data in pairs]

        following = asyncio.ensure_future(asyncio.to_thread(follow))
        number = 0
        while not following.done():
            world.caller.say("OPTIONS", f"live-{number}")
            await world.caller.answer(f"live-{number}", "OPTIONS")
            number += 1
            await asyncio.sleep(0.3)
        *messages, (name, result) = await following
        nothing = await ask(client, "/traces/live")
    assert name == "result"
    assert result["messages"] == len(messages) >= 2
    assert {x for x, _ in messages} == {"message"}
    assert all(x["call_id"].startswith("live-") for _, x in messages)
    assert nothing.status_code == 422


async def test_bodies_are_shown_to_whom_the_history_names(tmp_path: Path) -> None:
    extra = "[recorder]\nbodies = true\n"
    async with desk(tmp_path, extra) as (world, client):
        world.caller.say("INVITE", "call-1", uri="sip:no@contoso.test", body="HELLO")
        await world.caller.answer("call-1")
        await until(client, "/traces?failed=true", 1)
        masked = await ask(client, "/traces?failed=true&raw=true")
        body = {"call_id": "call-1"}
        shown = await ask(client, "/traces/bodies", method="POST", json=body)
        history = await asyncio.to_thread(
            in_store, world.config, lambda op: op.store.history()
        )
    assert "HELLO" not in masked.text
    assert "HELLO" in shown.text
    row = history[0]
    assert (row.verb, row.key, row.actor.name) == (
        *("trace.bodies", "call-1"),
        "the-operator",
    )


async def test_explain_says_what_the_service_would_do(tmp_path: Path) -> None:
    async with desk(tmp_path) as (_, client):
        params = {"uri": "ocschat@contoso.test", "from": "alice@contoso.test"}
        now = (await ask(client, "/explain", params=params)).json()
        body = {"uri": "ocschat@contoso.test", "plan": PLAN}
        both = (await ask(client, "/explain", method="POST", json=body)).json()
        bad = await ask(client, "/explain", params={"uri": "x", "method": "NONE"})
    assert now["service"] == ""
    assert "pcpool.contoso.test" in json.dumps(now["ways"])
    assert both["before"]["ways"] == now["ways"]
    assert "other.contoso.test" in json.dumps(both["after"])
    assert (bad.status_code, "--method NONE" in bad.text) == (422, True)
