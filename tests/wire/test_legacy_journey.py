"""A legacy client's whole journey through the real service, on the wire."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.journey.journey import Journey
from proxy.journey.legacy_client import LegacyClient
from proxy.lab.front_end import Behaviour, FrontEndServer
from tests.support.scene import FRONT_END_HOSTS, Scene, waypost_scene

ALIAS = "sip:ocschat@contoso.test"
QUICK = "\n[attempts]\nconnect = 0.5\nfirst_answer = 0.5\ntotal = 6.0\n"


@asynccontextmanager
async def pool(
    directory: Path, *behaviours: Behaviour, extra: str = ""
) -> AsyncIterator[tuple[Scene, list[FrontEndServer]]]:
    """The service with a front end per behaviour, in the order of their priority."""
    front_ends = [
        FrontEndServer(f"fe{number + 1}", FRONT_END_HOSTS[number], behaviour=behaviour)
        for number, behaviour in enumerate(behaviours)
    ]
    for front_end in front_ends:
        await front_end.start()
    addresses = [(front_end.host, front_end.port) for front_end in front_ends]
    try:
        async with waypost_scene(directory, addresses, extra=QUICK + extra) as scene:
            yield scene, front_ends
    finally:
        for front_end in front_ends:
            await front_end.stop()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_the_whole_journey_arrives(tmp_path: Path, transport: str) -> None:
    async with pool(tmp_path, Behaviour()) as (scene, (front_end,)):
        journey = Journey(LegacyClient(scene.proxy, transport=transport), ALIAS)
        steps = await journey.play()
    assert journey.ok, "\n".join(map(str, steps))
    lookup, channel = front_end.requests("INVITE")
    assert lookup.uri == "sip:ocschat@pcpool.contoso.test"
    assert lookup.get("To") == f"<{ALIAS}>"
    assert channel.uri == journey.channel_uri, "its Request-URI is kept"
    assert lookup.get_all("Via")[1] == f"SIP/2.0/{transport} " + "{}:{}".format(
        *journey.client.link.local
    ), "the client's own Via is not touched"


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_client_on_ipv6_has_brackets_in_its_via_and_its_contact(
    tmp_path: Path, transport: str
) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.bind(("::1", 0))
        port = probe.getsockname()[1]
    more = f'\n[[listen]]\ntransport = "{transport}"\naddress = "[::1]:{port}"\n'
    async with pool(tmp_path, Behaviour(), extra=more) as (_, (front_end,)):
        client = LegacyClient(("::1", port), transport=transport, host="::1")
        journey = Journey(client, ALIAS)
        steps = await journey.play()
    assert journey.ok, "\n".join(map(str, steps))
    lookup = front_end.requests("INVITE")[0]
    here = f"[::1]:{client.link.local[1]}"
    assert lookup.get_all("Via")[1] == f"SIP/2.0/{transport} {here}"
    assert "maddr=[::1]" in lookup.get("Contact")


async def test_requests_of_one_write_arrive_in_their_order(tmp_path: Path) -> None:
    async with pool(tmp_path, Behaviour()) as (scene, (front_end,)):
        journey = Journey(LegacyClient(scene.proxy), ALIAS)
        await journey.play()
    methods = [message.method for message in front_end.requests()]
    assert methods == [
        *("INVITE", "ACK", "INFO", "BYE"),
        *("INVITE", "ACK", "INFO", "INFO", "UPDATE", "BYE"),
    ]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("mode", ["answer", "silent"])
async def test_a_sick_first_front_end_costs_no_chat(
    tmp_path: Path, mode: str, transport: str
) -> None:
    sick = Behaviour(mode=mode)  # type: ignore[arg-type]
    async with pool(tmp_path, sick, Behaviour()) as (scene, (first, second)):
        journey = Journey(LegacyClient(scene.proxy, transport=transport), ALIAS)
        steps = await journey.play()
    assert journey.ok, "\n".join(map(str, steps))
    assert first.requests("INVITE")
    assert len(second.requests("UPDATE")) == 1


@pytest.mark.parametrize("mode", ["reset", "reset-on-accept", "half-close"])
async def test_a_connection_that_breaks_costs_no_chat(
    tmp_path: Path, mode: str
) -> None:
    sick = Behaviour(mode=mode)  # type: ignore[arg-type]
    async with pool(tmp_path, sick, Behaviour()) as (scene, (_, second)):
        journey = Journey(LegacyClient(scene.proxy), ALIAS)
        steps = await journey.play()
    assert journey.ok, "\n".join(map(str, steps))
    assert len(second.requests("UPDATE")) == 1


async def test_a_pool_that_opens_its_own_connection_reaches_the_client(
    tmp_path: Path,
) -> None:
    own = Behaviour(reuse_connection=False)
    async with pool(tmp_path, own) as (scene, (front_end,)):
        journey = Journey(LegacyClient(scene.proxy), ALIAS)
        steps = await journey.play()
    assert journey.ok, "\n".join(map(str, steps))
    assert len({seen.peer for seen in front_end.seen}) > 1


async def test_a_caller_that_gives_up_gets_487_from_the_front_end(
    tmp_path: Path,
) -> None:
    ringing = Behaviour(provisional=(180,), delay=5.0)
    async with pool(tmp_path, ringing) as (scene, (front_end,)):
        client = LegacyClient(scene.proxy)
        await client.connect()
        dialog = client.new_dialog(ALIAS)
        invite = client.invite(dialog)
        client.expect(invite)
        client.send(invite)
        await front_end.wait_for("INVITE")
        # The legacy client never does this; whoever else dials the alias may.
        cancel = client.compose("CANCEL", dialog)
        cancel.headers = [
            ("CSeq", "1 CANCEL") if name == "CSeq" else (name, value)
            for name, value in cancel.headers
        ]
        client.send(cancel)
        assert (await client.answer(invite)).status == 487
        await front_end.wait_for("ACK")
        await client.close()
