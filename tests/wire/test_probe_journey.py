"""The probe goes all the way, says where it ends, and leaves nothing behind."""

from pathlib import Path

import pytest

from proxy.journey.probe import PROBE_STEPS, Probe, Way, failure, probe
from proxy.lab.front_end import Behaviour, FrontEndServer
from tests.support.broken_channels import DeafChannel, HangingChannel
from tests.support.scene import FRONT_END_HOSTS, waypost_scene

ALIAS = "sip:ocschat@contoso.test"
DOCTOR = "sip:waypost-doctor@contoso.test"
HOST = "127.0.0.31"


async def played(front_end: FrontEndServer, transport: str = "tcp") -> Probe:
    """Straight to a front end."""
    way = Way((front_end.host, front_end.port), transport, HOST, timeout=1.0)
    return await probe(way, ALIAS, user=DOCTOR)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_it_goes_through_the_proxy_to_the_channel_and_hangs_up(
    tmp_path: Path, transport: str
) -> None:
    front_end = FrontEndServer("fe1", FRONT_END_HOSTS[0])
    await front_end.start()
    try:
        address = (front_end.host, front_end.port)
        async with waypost_scene(tmp_path, [address]) as scene:
            headers = (("Subject", "a probe"),)
            way = Way(scene.proxy, transport, HOST, headers=headers)
            found = await probe(way, ALIAS, user=DOCTOR)
        assert found.ok, found.steps
        assert tuple(step.name for step in found.steps) == PROBE_STEPS
        assert failure(found.steps) is None
        assert found.steps[-2].detail == "200 SUCCESS_OK"
        lookup, channel = front_end.requests("INVITE")
        assert lookup.uri == "sip:ocschat@pcpool.contoso.test"
        assert channel.uri == found.channel_uri
        assert lookup.get("Subject") == channel.get("Subject") == "a probe"
        assert not front_end.dialogs
    finally:
        await front_end.stop()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_channel_that_hangs_is_found_and_hung_up(transport: str) -> None:
    front_end = HangingChannel("fe1", FRONT_END_HOSTS[0])
    await front_end.start()
    try:
        found = await played(front_end, transport)
        assert not found.ok
        assert found.steps[-1].name == "rpl-bjoin" and not found.steps[-1].ok
        await front_end.wait_for("BYE", 2)
        assert not front_end.dialogs
    finally:
        await front_end.stop()


async def test_a_call_that_nobody_answers_is_cancelled() -> None:
    front_end = DeafChannel("fe1", FRONT_END_HOSTS[0])
    await front_end.start()
    try:
        found = await played(front_end)
        assert found.steps[-1].name == "channel-INVITE" and not found.steps[-1].ok
        (cancel,) = await front_end.wait_for("CANCEL")
        assert cancel.get("CSeq") == "1 CANCEL" and cancel.uri == found.channel_uri
    finally:
        await front_end.stop()


async def test_a_refusal_is_acknowledged_and_named() -> None:
    behaviour = Behaviour(mode="answer", status=480)
    front_end = FrontEndServer("fe1", FRONT_END_HOSTS[0], behaviour=behaviour)
    await front_end.start()
    try:
        found = await played(front_end)
        step = failure(found.steps)
        assert step is not None and (step.name, step.status) == ("INVITE", 480)
        (ack,) = await front_end.wait_for("ACK")
        assert ack.get("To").endswith("tag=fe1tag")
        assert not front_end.requests("CANCEL") and not front_end.requests("BYE")
    finally:
        await front_end.stop()


async def test_nobody_who_listens_is_the_first_step() -> None:
    way = Way(("127.0.0.24", 9), "tcp", HOST)
    found = await probe(way, ALIAS, user=DOCTOR)
    assert [step.name for step in found.steps] == ["connect"] and not found.ok
