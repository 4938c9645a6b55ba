"""`waypost lab --migration`: the weekend in one terminal, told as it happens.

An old Lookup service, the new pool, a legacy client that nobody touches; a front end is
killed, the proxy is killed, the cutover is rolled back and made again.  Everything else
is what an operator types, and it is the real command that runs.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from proxy.cli.screen.output import is_unicode
from proxy.journey.journey import Journey
from proxy.journey.legacy_client import ClientError, LegacyClient
from proxy.lab import ladder
from proxy.lab.front_end import FrontEndServer
from proxy.lab.old_lookup import OldLookup
from proxy.lab.service import command
from proxy.lab.setting import ALIAS, DOMAIN, POOL, free_address
from proxy.lab.world import World

FOLLOWS: Final = 10.0
"""Seconds for a running proxy to follow the table; it takes less than one."""
PLAN: Final = f"""\
name = "the weekend"
confirm_within = 30          # minutes; without "cutover confirm" it rolls back

[[change]]
sip_address = "{ALIAS}"
pool_fqdn = "{POOL}"
create = true                # an endpoint that is not there yet
expect_pool = ""             # and refuse if it is
"""


class MigrationError(Exception):
    """A part did not go as it should; the text says what came instead."""


@dataclass(slots=True)
class Part:
    """One part of the weekend: what was typed, and what came of it."""

    title: str
    typed: list[str] = field(default_factory=list)
    ok: bool = False
    detail: str = ""
    front_end: str | None = None
    ms: float = 0.0


class Migration:
    """Plays the weekend once; ``parts`` grows, and ends at what went wrong."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.old = FrontEndServer("old", *free_address("127.0.0.11", 5085))
        self.old.channel_uri = f"sip:gc-old-channel@{DOMAIN}"
        self.lookup = OldLookup(self.old, world.setting.proxy, ALIAS)
        self.plan = world.setting.directory / "weekend.toml"
        self.parts: list[Part] = []
        self._is_complete = False

    @property
    def ok(self) -> bool:
        """True when it went to its end, and every part as it should."""
        return self._is_complete and all(part.ok for part in self.parts)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "ok": self.ok,
            "config": str(self.world.setting.config),
            "parts": [
                {
                    "title": part.title,
                    "typed": part.typed,
                    "ok": part.ok,
                    "detail": part.detail,
                    "front_end": part.front_end,
                    "ms": part.ms,
                }
                for part in self.parts
            ],
        }

    async def play(self) -> None:
        """All parts in order; never raises but when it is cancelled."""
        say = self.world.console.print
        self.plan.write_text(PLAN)
        await self.old.start()
        try:
            for number, (title, part) in enumerate(self._order(), 1):
                say(f"[bold]{number}. {title}[/bold]")
                if not await self._played(title, part):
                    say("\n[red]that is not as it should be[/red]; the log ends:")
                    say(self.world.service.tail(), markup=False)
                    return
            self._is_complete = True
            say("[green]everything went as it should[/green]")
        finally:
            await self.old.stop()

    def _order(self) -> list[tuple[str, Callable[[Part], Awaitable[None]]]]:
        return [
            ("Friday: the old service answers", self._friday),
            ("Too early: while it runs, the cutover is refused", self._check),
            ("The old service stops, the cutover comes", self._switch),
            ("The same client reaches the new pool", self._on_new),
            ("A front end dies", self._kill_front_end),
            ("Waypost is killed under a dialog", self._kill_proxy),
            ("Second thoughts: back to the old service", self._roll_back),
            ("Once more, and this time it is kept", self._again),
        ]

    async def _played(
        self, title: str, play: Callable[[Part], Awaitable[None]]
    ) -> bool:
        part = Part(title)
        self.parts.append(part)
        try:
            await play(part)
            part.ok = True
        except (MigrationError, ClientError, OSError, TimeoutError) as problem:
            part.detail = str(problem) or "nothing came in time"
        tick = ("✓", "✗") if is_unicode() else ("ok", "XX")
        colour, mark = ("green", tick[0]) if part.ok else ("red", tick[1])
        self.world.console.print(f"   [{colour}]{mark}[/{colour}] ", end="")
        self.world.console.print(f"{part.detail}\n", markup=False, soft_wrap=True)
        return part.ok

    # -- the parts ------------------------------------------------------------

    async def _friday(self, part: Part) -> None:
        self._tell(f"the old Lookup service registers {ALIAS} at Waypost")
        if (status := await self.lookup.register()) != 200:
            raise MigrationError(f"its REGISTER was answered {status}")
        await self._reaches(part, {self.old.name})

    async def _check(self, part: Part) -> None:
        self._tell("weekend.toml leads that address to the new pool:")
        for line in PLAN.splitlines():
            style = "dim" if line else None
            self.world.console.print(f"     {line}".rstrip(), markup=False, style=style)
        said = await self._type(part, "cutover", "apply", str(self.plan), refused=True)
        if "still registered" not in said:
            raise MigrationError("it did not see that the old service is there")
        part.detail = "refused, as it should be: two would answer to one address"

    async def _switch(self, part: Part) -> None:
        self._tell("the old service stops and takes its registrations back")
        await self.lookup.sign_off()
        await self._type(part, "cutover", "plan", str(self.plan))
        await self._type(part, "cutover", "apply", str(self.plan))
        part.detail = "switched, and it goes back by itself unless it is confirmed"

    async def _on_new(self, part: Part) -> None:
        await self._reaches(part, {self.world.front_ends[0].name})

    async def _kill_front_end(self, part: Part) -> None:
        first, second = self.world.front_ends
        self._tell(
            f"{first.name} is killed; the next client's first INVITE is the test"
        )
        await first.stop(reset=True)
        try:
            await self._reaches(part, {second.name}, patience=0.0)
        finally:
            await first.start()
        part.detail += f"; {first.name} is back"

    async def _kill_proxy(self, part: Part) -> None:
        service, setting = self.world.service, self.world.setting
        client = LegacyClient(setting.proxy, transport="udp")
        await client.connect()
        try:
            dialog, answer = await client.call(ALIAS)
            if answer.status != 200:
                raise MigrationError(f"INVITE was answered {answer.status}")
            client.send(client.compose("ACK", dialog))
            self._tell(f"a client is in a dialog; kill -9 {service.pid}, start again")
            began = time.perf_counter()
            await service.kill()
            await service.start(setting.proxy)
            away = time.perf_counter() - began
            update = client.compose("UPDATE", dialog)
            after = await client.request(update)
            part.ms = round(away * 1000, 1)
            if after.status != 200:
                raise MigrationError(f"UPDATE was answered {after.status}")
            await client.hang_up(dialog)
        finally:
            await client.close()
        part.detail = f"away for {away:.1f} s; UPDATE and BYE of that dialog: 200"

    async def _roll_back(self, part: Part) -> None:
        await self._type(part, "cutover", "rollback")
        self._tell("the old service starts again and registers")
        await self.lookup.register()
        await self._reaches(part, {self.old.name})

    async def _again(self, part: Part) -> None:
        self._tell("the old service stops for good")
        await self.lookup.sign_off()
        await self._type(part, "cutover", "apply", "--again")
        # Either: the one that was killed may still be out.
        await self._reaches(part, {each.name for each in self.world.front_ends})
        await self._type(part, "cutover", "confirm")
        await self._type(part, "endpoint", "get")

    # -- what they are made of --------------------------------------------------

    def _tell(self, text: str) -> None:
        self.world.console.print(f"   {text}", markup=False, soft_wrap=True)

    async def _type(self, part: Part, *words: str, refused: bool = False) -> str:
        """One command as a person types it; what it says.  Raises MigrationError."""
        shown = [w if w != str(self.plan) else self.plan.name for w in words]
        part.typed.append(" ".join(["waypost", *shown]))
        self.world.console.print(f"   [cyan]$ {part.typed[-1]}[/cyan]")
        child = await asyncio.create_subprocess_exec(
            *command("--config", str(self.world.setting.config), *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "76"},
        )
        try:
            output, _ = await child.communicate()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
            raise
        said = output.decode("utf-8", "replace").rstrip()
        for line in said.splitlines():
            self.world.console.print(
                f"     {line}".rstrip(), markup=False, soft_wrap=True
            )
        if (child.returncode != 0) != refused:
            raise MigrationError(f"{part.typed[-1]} ended with {child.returncode}")
        return said

    async def _reaches(
        self, part: Part, wanted: set[str], patience: float = FOLLOWS
    ) -> None:
        """The legacy client's whole start, and it ends there.  Raises MigrationError.

        A running proxy follows the table within a second, so it may take a few.
        """
        end = time.monotonic() + patience
        peers = [*self.world.front_ends, self.old]
        while True:
            journey = Journey(LegacyClient(self.world.setting.proxy), ALIAS)
            await journey.play()
            steps = [ladder.describe(step, peers) for step in journey.steps]
            calls = [step for step in steps if step["step"].startswith("INVITE")]
            where = {step["front_end"] for step in calls}
            if journey.ok and where and where <= wanted:
                break
            if time.monotonic() >= end:
                broken = next((s for s in journey.steps if not s.ok), None)
                told = f"{broken.name}: {broken.detail}" if broken else f"but {where}"
                raise MigrationError(f"the client did not reach {wanted}: {told}")
            await asyncio.sleep(0.2)
        part.front_end, part.ms = calls[0]["front_end"], calls[0]["ms"]
        part.detail = (
            f"{len(steps)} steps of a client's start: all arrived at {part.front_end}, "
            f"INVITE in {part.ms:.1f} ms"
        )
