"""`waypost trace` and `waypost calls` on a running service."""

import asyncio
import csv
import io
import re
import socket
import subprocess
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from proxy.lab.front_end import Behaviour
from proxy.lab.service import ServiceError, command
from tests.recorder.test_hep import decode
from tests.support.capture import AS_SIP, needs_capture
from tests.support.stage import CLIENT, Stage, stage
from tests.support.until import comes_true


async def told_of(world: Stage, last: dict[str, str], *words: str) -> Any:
    """What ``trace`` tells, once it has each call, and the ``last`` request twice.

    In and out: a worker tells of a message a moment after it was sent.
    """
    found: Any = []

    async def is_complete() -> bool:
        nonlocal found
        found = await world.waypost("trace", *words)
        return {each["call_id"] for each in found} == set(last) and all(
            sum(x["data"].startswith(last[call["call_id"]]) for x in call["messages"])
            >= 2
            for call in found
        )

    await comes_true(is_complete)
    return found


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_failover_is_a_ladder_with_its_reason(
    tmp_path: Path, workers: int
) -> None:
    async with stage(tmp_path, workers=workers) as world:
        world.front_ends[0].behaviour = Behaviour("silent")
        world.caller.say("INVITE", "over-1")
        assert (await world.caller.answer("over-1")).startswith(b"SIP/2.0 200")
        world.caller.hang_up("over-1")
        await world.caller.answer("over-1", "BYE")
        (call,) = await told_of(world, {"over-1": "BYE"}, "over-1")
        shown = await world.shown("trace", "--failed")
    assert call["why"] == ["failover"]
    heads = [x["data"].split(" ")[:2] for x in call["messages"]]
    said = [x[1] if x[0] == "SIP/2.0" else x[0] for x in heads]
    assert said.count("INVITE") >= 4, said  # in, to fe1 and again, to fe2
    assert said.count("BYE") == 2
    assert max(map(len, shown.splitlines())) <= 80
    assert re.search(r"waypost +fe1\.contoso\.test +fe2\.contoso\.test\n", shown)
    assert "timeout after 2.0 s, the next one is tried" in shown
    assert re.search(r"INVITE ×\d", shown)


@needs_capture
async def test_a_capture_is_what_was_said(tmp_path: Path) -> None:
    async with stage(tmp_path) as world:
        for number, status in enumerate((404, 480), 1):
            for front_end in world.front_ends:
                front_end.behaviour = Behaviour("answer", status)
            body = "v=0\r\no=secret\r\n"
            kind = "Content-Type: application/sdp"
            world.caller.say("INVITE", f"call-{number}", kind, body=body)
            assert b" %d " % status in await world.caller.answer(f"call-{number}")
        calls = await told_of(world, {"call-1": "ACK", "call-2": "ACK"}, "--failed")
        file = tmp_path / "calls.pcap"
        said = await world.shown("trace", "--failed", "--pcap", str(file))
    assert said.startswith(f"wrote {file}: ") and "of 2 calls" in said
    assert file.stat().st_mode & 0o777 == 0o600
    fields = ("sip.Call-ID", "sip.Method", "sip.Status-Code", "_ws.malformed")
    fields += ("_ws.expert.message",)
    done = subprocess.run(
        [
            *("tshark", "-n", "-r", str(file), *AS_SIP, "-T", "fields"),
            *(
                word
                for name in (*fields, "_ws.expert.message")
                for word in ("-e", name)
            ),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[3] for row in rows if row[3]] == [], rows
    assert [row[4] for row in rows if "checksum" in row[4].lower()] == []
    told = []
    for call in calls:
        for message in call["messages"]:
            words = message["data"].split(" ")
            is_answer = words[0] == "SIP/2.0"
            told.append(
                (call["call_id"], "" if is_answer else words[0], words[1] * is_answer)
            )
    assert sorted(tuple(row[:3]) for row in rows) == sorted(told)
    assert len(told) >= 12
    assert b"secret" not in file.read_bytes()


@pytest.mark.parametrize("workers", [1, 2])
async def test_the_last_calls_are_listed(tmp_path: Path, workers: int) -> None:
    async with stage(tmp_path, workers=workers) as world:
        world.caller.say("INVITE", "good-1")
        await world.caller.answer("good-1")
        world.caller.hang_up("good-1")
        await world.caller.answer("good-1", "BYE")
        world.caller.hang_up("good-1")  # a dialog that is over
        world.caller.say("INVITE", "lost-1", uri="sip:nobody@contoso.test")
        await world.caller.answer("lost-1")
        world.caller.say("INVITE", "away-1", uri="sip:bob@elsewhere.example")
        await world.caller.answer("away-1")
        good = lost = away = {}

        async def are_over() -> bool:
            nonlocal good, lost, away
            found = await world.waypost("calls", "--aor", "alice")
            if len(found) == 3:
                good, lost, away = found
            return bool(good and good["ended"] and lost["status"] and away["status"])

        await comes_true(are_over)
        failed = await world.waypost("calls", "--failed")
        one = await world.waypost("calls", "--endpoint", "ocschat", "--since", "1h")
        shown = await world.shown("calls", "--aor", "alice")
        table = await world.shown("calls", "--aor", "alice", "--csv")
        watched = await world.shown(
            *("calls", "--aor", "alice", "--watch", "--seconds", "0.1")
        )
    assert (good["status"], good["ended"]) == (200, "BYE from the caller")
    assert good["attempts"][0]["front_end"] == "fe1.contoso.test"
    assert (lost["status"], lost["rule"]) == (404, "nowhere")
    assert lost["reason"].startswith("rule nowhere: no rule knows the address")
    assert (away["status"], away["rule"]) == (403, "nowhere")
    assert [x["call_id"] for x in failed] == ["lost-1", "away-1"]
    assert [x["call_id"] for x in one] == ["good-1"]
    assert re.search(r"\d\d:\d\d:\d\d [+-]\d{4}", shown)
    assert "BYE from the caller at" in shown
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["call_id"] for row in rows] == ["good-1", "lost-1", "away-1"]
    assert len(watched.splitlines()) == 3


async def test_both_want_the_token_even_here(tmp_path: Path) -> None:
    async with stage(tmp_path) as world:
        for path in ("/trace", "/calls"):
            assert world.get(path, "") == 401
            assert world.get(path, "wrong") == 401
            assert world.get(path, world.token()) == 200
        assert world.get("/status", "") == 200


async def ping(world: Stage) -> None:
    """One OPTIONS of alice after the other, until cancelled."""
    for number in count():
        world.caller.say("OPTIONS", "ping", mark=str(number))
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_live_trace_tells_what_fits_as_it_comes(
    tmp_path: Path, workers: int
) -> None:
    async with stage(tmp_path, workers=workers) as world:
        begun = await world.waypost("trace", "--source", CLIENT, "--for", "10m")
        line = ("--config", str(world.config), "trace", "--from", "alice")
        following = await asyncio.create_subprocess_exec(
            *command(*line, "--for", "4s", "--follow"), stdout=asyncio.subprocess.PIPE
        )
        assert following.stdout is not None
        pinging = asyncio.ensure_future(ping(world))
        async with asyncio.timeout(20):  # it follows as soon as it tells of something
            assert b"  ping" in await following.stdout.readline()
        pinging.cancel()
        world.caller.say("INVITE", "live-1")
        await world.caller.answer("live-1")
        world.caller.hang_up("live-1")
        await world.caller.answer("live-1", "BYE")
        world.caller.say("OPTIONS", "bob-1", who="sip:bob@contoso.test")
        await world.caller.answer("bob-1", "OPTIONS")
        output, _ = await following.communicate()
        assert following.returncode == 0
        told = [x for x in output.decode().splitlines() if not x.endswith("  ping")]
        kept = await world.waypost("trace", "--source", CLIENT)
        alice = await world.shown("trace", "--from", "alice")
    assert len(begun["name"]) == 16
    assert all(line.endswith("  live-1") for line in told), told
    said = [line.split("  ")[-2] for line in told]
    assert said.count("INVITE") == 2 and said.count("200 OK (BYE)") == 2, told
    assert any("-> udp fe1.contoso.test  INVITE" in line for line in told)
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3} [+-]\d{4}  <- udp", told[0])
    assert {x["call_id"] for x in kept} - {"ping"} == {"live-1", "bob-1"}
    assert "BYE" in alice and "bob-1" not in alice


async def test_bodies_must_be_allowed_and_stand_in_the_audit(tmp_path: Path) -> None:
    async with stage(tmp_path, extra="[recorder]\nbodies = true\n") as world:
        world.caller.say("INVITE", "call-1", uri="sip:no@contoso.test", body="HELLO")
        await world.caller.answer("call-1")
        await comes_true(lambda: world.waypost("trace", "--failed"))
        masked = await world.waypost("trace", "call-1")
        before = await world.waypost("endpoint", "history")
        shown = await world.shown("trace", "call-1", "--bodies")
        after = await world.waypost("endpoint", "history")
        log = (tmp_path / "serve.log").read_text()
    assert "HELLO" not in str(masked) and "HELLO" in shown
    assert len(after) == len(before) + 1
    assert (after[0]["verb"], after[0]["key"]) == ("trace.bodies", "call-1")
    assert "recorder.bodies_shown" in log


async def test_without_leave_no_body_is_kept(tmp_path: Path) -> None:
    async with stage(tmp_path) as world:
        with pytest.raises(ServiceError, match=r"write bodies = true in \[recorder\]"):
            await world.waypost("trace", "call-1", "--bodies")


async def test_what_is_kept_is_sent_to_a_hep_server(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.77", 0))
        server.settimeout(10)
        hep = f'[recorder]\nhep = "udp:127.0.0.77:{server.getsockname()[1]}"\n'
        async with stage(tmp_path, extra=hep) as world:
            world.caller.say("INVITE", "call-1", uri="sip:no@contoso.test")
            await world.caller.answer("call-1")
            first = await asyncio.to_thread(server.recv, 65_535)
            second = await asyncio.to_thread(server.recv, 65_535)
            (call,) = await told_of(world, {"call-1": ""}, "--failed")
            metrics = world.page("/metrics", world.token())[1]
    packets = [decode(first), decode(second)]
    said = [x["data"].encode("latin-1") for x in call["messages"]]
    assert [each["payload"] for each in packets] == said[:2]
    assert packets[0]["source"] == CLIENT
    assert {each["correlation"] for each in packets} == {b"call-1"}
    sent = re.findall(r'waypost_hep_messages_total\{result="sent"\} (\S+)', metrics)
    assert float(sent[0]) >= 2
    assert 'waypost_recorder_calls_gone_total{reason="evicted"} 0' in metrics


async def test_nothing_is_remembered_where_nobody_wants_to(tmp_path: Path) -> None:
    async with stage(tmp_path, extra="[recorder]\nmegabytes = 0\n") as world:
        for words in (("trace", "--failed"), ("calls",)):
            with pytest.raises(ServiceError, match="megabytes = 16"):
                await world.waypost(*words)
