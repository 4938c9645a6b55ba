"""An aiosip user agent reaches the pool through the proxy: somebody else's code."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.lab.front_end import FrontEndServer
from tests.interop.aiosip_ua import PROTOCOL, Invite, application, contact, details
from tests.support.ports import free_port
from tests.support.scene import FRONT_END_HOSTS, Scene, scene_under_test

HOST = "127.0.0.44"
World = tuple[Scene, FrontEndServer]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """The proxy with one front end behind it."""
    front_end = FrontEndServer("fe1", FRONT_END_HOSTS[0])
    await front_end.start()
    try:
        address = (front_end.host, front_end.port)
        async with scene_under_test()(tmp_path, [address]) as scene:
            yield scene, front_end
    finally:
        await front_end.stop()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_aiosip_subscribes_and_gets_its_notify(
    world: World, transport: str
) -> None:
    scene, front_end = world
    local = (HOST, free_port(HOST))
    agent = application()
    try:
        peer = await agent.connect(
            scene.proxy, protocol=PROTOCOL[transport], local_addr=local
        )
        dialog = await peer.subscribe(
            expires=600,
            from_details=details("alice"),
            to_details=details("ocschat"),
            contact_details=contact("alice", local, transport),
            timeout=20,
        )
        assert dialog.status_code == 200
        notify = await asyncio.wait_for(dialog.recv(), 20)
        assert notify.method == "NOTIFY"
        await dialog.reply(notify, 200)
        await dialog.close(fast=True)
        (subscribe,) = front_end.requests("SUBSCRIBE")
        assert len(subscribe.get_all("Via")) == 2
    finally:
        await agent.close(timeout=1)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_aiosip_calls_the_alias_and_hangs_up(
    world: World, transport: str
) -> None:
    scene, front_end = world
    local = (HOST, free_port(HOST))
    agent = application()
    try:
        peer = await agent.connect(
            scene.proxy, protocol=PROTOCOL[transport], local_addr=local
        )
        call = await peer.invite(
            from_details=details("alice"),
            to_details=details("ocschat"),
            contact_details=contact("alice", local, transport),
            dialog_factory=Invite,
        )
        await asyncio.wait_for(call.ready(), 20)
        await call.close(timeout=20)
        assert len(front_end.requests("INVITE")) == 1
        assert len(await front_end.wait_for("BYE")) == 1
    finally:
        await agent.close(timeout=1)
