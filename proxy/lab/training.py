"""The work that a profile-guided build is trained with: `python -m proxy.lab.training`.

A build whose functions count themselves serves the calls of a usual day; the compiler
then lays out the second build by what was counted (`packaging/wheel`).  What is called
often counts, so the mix is that of a pool's clients: calls and chat first,
subscriptions, registrations, some refusals, and a front end that fails over.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from proxy.journey.journey import Journey
from proxy.journey.legacy_client import ClientError, Dialog, LegacyClient
from proxy.journey.link import Address
from proxy.journey.wire import Header, Message
from proxy.lab.front_end import Behaviour
from proxy.lab.service import ServiceError
from proxy.lab.setting import ALIAS, DOMAIN, choose
from proxy.lab.world import World

SECONDS = 25.0
CLIENTS = 12
"""Side by side: about as many messages wait together as in a loaded service."""
CALLS = 25
"""Of one client on one connection, before it starts a journey of its own."""
FAILING = 0.1
"""The last part of the time, in which the first front end refuses with 503."""
FEWEST = 500
"""Calls below which a profile would say little."""


class Trainee(LegacyClient):
    """A client that calls, subscribes and registers without a pause."""

    calls = 0

    async def work(self, uri: str) -> None:
        """One turn of all that a client does; raises ClientError."""
        for number in range(CALLS):
            dialog = self.new_dialog(uri)
            answer = await self._ask("INVITE", dialog)
            if self.establish(dialog, answer):
                self.send(self.compose("ACK", dialog, branch=True))
                await self._ask("INFO", dialog, body=b"<xccos ver='1'>a line</xccos>")
                await self._ask("BYE", dialog)
                self.calls += 1
            self.forget(dialog)
            if number % 3 == 0:
                await self._subscribe(uri)
            if number % 5 == 0:
                await self._register()
        stranger = self.new_dialog(f"sip:nobody@{DOMAIN}")
        await self._ask("INVITE", stranger)
        self.forget(stranger)
        self.requests.clear()
        self.responses.clear()

    async def _subscribe(self, uri: str) -> None:
        dialog = self.new_dialog(uri)
        event = ("Event", "presence")
        if self.establish(
            dialog, await self._ask("SUBSCRIBE", dialog, event, ("Expires", "600"))
        ):
            await self._ask("SUBSCRIBE", dialog, event, ("Expires", "0"))
        self.forget(dialog)

    async def _register(self) -> None:
        dialog = self.new_dialog(self.user)
        dialog.remote_target = f"sip:{DOMAIN}"
        await self._ask("REGISTER", dialog, ("Expires", "600"))
        self.forget(dialog)

    async def _ask(
        self, method: str, dialog: Dialog, *headers: Header, body: bytes = b""
    ) -> Message:
        return await self.request(
            self.compose(method, dialog, headers=headers, body=body, branch=True)
        )


async def _client(number: int, proxy: Address, end: float) -> int:
    """One client until ``end`` (monotonic seconds); the calls that it made."""
    transport = ("udp", "tcp")[number % 2]
    user = f"sip:user{number}@{DOMAIN}"
    calls = 0
    while time.monotonic() < end:
        trainee = Trainee(proxy, transport=transport, user=user)
        try:
            await trainee.connect()
            await trainee.work(ALIAS)
        except (ClientError, OSError, TimeoutError) as problem:
            print(f"training: {transport}: {problem}", file=sys.stderr)
        finally:
            await trainee.close()
        calls += trainee.calls
        journey = Journey(LegacyClient(proxy, transport=transport, user=user), ALIAS)
        await journey.play()
        calls += journey.ok
    return calls


async def train(seconds: float) -> int:
    """Serve all that for so many seconds; the calls that went through."""
    with tempfile.TemporaryDirectory(prefix="waypost-training-") as directory:
        world = World(choose(Path(directory)), Console(quiet=True))
        async with world.up():
            loop = asyncio.get_running_loop()
            first = world.front_ends[0]
            refusing = Behaviour(mode="answer", status=503)
            loop.call_later(
                seconds * (1 - FAILING), setattr, first, "behaviour", refusing
            )
            end = time.monotonic() + seconds
            proxy = world.setting.proxy
            calls = await asyncio.gather(
                *(_client(number, proxy, end) for number in range(CLIENTS))
            )
    return sum(calls)


def main() -> int:
    """Train for 25 s, or for as many as the first argument says; 1 when it failed."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    try:
        calls = asyncio.run(train(seconds))
    except ServiceError as problem:
        print(f"training: {problem}", file=sys.stderr)
        return 1
    print(f"training: {calls} calls in {seconds:g} s")
    return 0 if calls >= FEWEST else 1


if __name__ == "__main__":
    sys.exit(main())
