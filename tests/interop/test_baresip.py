"""Two baresip phones register, call, hold and resume, send a message, call the pool."""

import contextlib
from pathlib import Path

import pytest

from tests.interop.baresip import Baresip
from tests.interop.exchange import PASSWORDS, exchange

# Its library gives up on a question of any other algorithm, wherever it stands.
ALGORITHM = "MD5"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_two_phones_register_call_hold_and_write(
    tmp_path: Path, transport: str
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        world = await stack.enter_async_context(exchange(tmp_path, ALGORITHM))
        alice = Baresip(tmp_path / "alice", "127.0.0.61", "alice")
        bob = Baresip(tmp_path / "bob", "127.0.0.62", "bob")
        for phone, friend in ((alice, bob), (bob, alice)):
            stack.push_async_callback(phone.stop)
            password = PASSWORDS[phone.name]
            await phone.start(world.scene.proxy, transport, password, friend.name)
        bound = await world.bound()
        assert sorted(bound) == ["alice@contoso.test", "bob@contoso.test"]

        await alice.command("dial", "sip:bob@contoso.test")
        await bob.event("CALL_INCOMING")
        await bob.command("accept")
        await alice.event("CALL_ESTABLISHED")
        await bob.event("CALL_ESTABLISHED")  # it has the ACK
        # Each re-INVITE has an answer: hold, resume, and hold from the other side.
        await alice.command("hold")
        await alice.answered(2)
        assert "(on hold)" in await alice.command("listcalls")
        await alice.command("resume")
        await alice.answered(3)
        assert "(on hold)" not in await alice.command("listcalls")
        await bob.command("hold")
        await bob.answered(1)
        await bob.command("hangup")
        await alice.event("CALL_CLOSED")

        await alice.command("message", "is anybody in?")
        (written,) = await world.finished("MESSAGE")
        assert written["status"] == 200  # by bob: he shows it to a user, we have none

        await alice.command("dial", "sip:ocschat@contoso.test")
        await alice.event("CALL_ESTABLISHED", 2)
        await alice.command("hangup")
        assert len(await world.front_end.wait_for("BYE")) == 1

        await alice.stop()
        await bob.stop()
        assert await world.bound() == {}
        log = world.scene.log.read_text()
        assert '"level": "error"' not in log
