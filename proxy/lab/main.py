"""`waypost lab`: the proxy on its embedded default, with a small world around it.

A DNS zone, two pool front ends and a legacy client in this process; the real
`waypost serve` and the real verbs as child processes.  It plays the legacy journey,
prints what happened hop by hop, and stays up until Ctrl-C (or leaves, with `once`).
"""

import asyncio
import contextlib
import json
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from rich.console import Console

from proxy.cli.screen.output import is_unicode
from proxy.journey.journey import Journey
from proxy.journey.legacy_client import LegacyClient
from proxy.lab import ladder
from proxy.lab.console import start_console
from proxy.lab.dns_server import ZoneServer
from proxy.lab.front_end import FrontEndServer
from proxy.lab.service import Service, ServiceError, waypost
from proxy.lab.setting import ALIAS, DOMAIN, POOL, REGISTRAR, Setting, choose

# There in a checkout, not in an installed package.
MESSAGE_SCENARIO = Path(__file__).parents[2] / "tests/sipp/uac_message.xml"


def run(once: bool, json_output: bool) -> int:
    """Run the lab; 0 when every step of the journey arrived.

    ``once`` leaves after the journey; ``json_output`` prints one JSON object in
    place of the table.
    """
    with tempfile.TemporaryDirectory(prefix="waypost-lab-") as directory:
        try:
            return asyncio.run(_Lab(choose(Path(directory)), json_output).run(once))
        except ServiceError as problem:
            print(f"waypost lab: {problem}", file=sys.stderr)
            return 1


def zone(setting: Setting) -> dict[str, list[str]]:
    """The lab's zone, as `ZoneServer` takes it."""
    records: dict[str, list[str]] = {}
    for number, (host, port) in enumerate(setting.front_ends, 1):
        name = f"fe{number}.{DOMAIN}"
        records[f"{name} A"] = [host]
        for service in ("_sip._udp", "_sip._tcp"):
            values = records.setdefault(f"{service}.{POOL} SRV", [])
            values.append(f"{number * 10} 60 {port} {name}")
    return records


class _Lab:
    """One lab, from start to end."""

    def __init__(self, setting: Setting, json_output: bool) -> None:
        self.setting = setting
        self.json_output = json_output
        self.console = Console(quiet=json_output, highlight=False)
        if not self.console.is_terminal:
            self.console.width = 132
        self.front_ends = [
            FrontEndServer(f"fe{number}", host, port, domain=DOMAIN)
            for number, (host, port) in enumerate(setting.front_ends, 1)
        ]
        self.service = Service(setting.config, setting.log)

    async def run(self, once: bool) -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        async with contextlib.AsyncExitStack() as self._stack, self._world():
            journey = Journey(LegacyClient(self.setting.proxy), ALIAS)
            await journey.play()
            self._report(journey)
            if not once:
                await self._open_console()
                self._next_commands()
                return await self._stay(stop)
        return 0 if journey.ok else 1

    @contextlib.asynccontextmanager
    async def _world(self) -> AsyncIterator[None]:
        """Everything up; everything down again at the end."""
        setting, say = self.setting, self.console.print
        async with contextlib.AsyncExitStack() as stack:
            dns = ZoneServer(zone(setting), *setting.dns)
            await dns.start()
            stack.push_async_callback(dns.stop)
            host, port = setting.dns
            say(f"[bold]DNS[/bold]        {host}:{port}, SRV records of {POOL}")
            for front_end in self.front_ends:
                await front_end.start()
                stack.push_async_callback(front_end.stop)
                say(
                    f"[bold]front end[/bold]  {front_end.name} at "
                    f"{front_end.host}:{front_end.port}, udp and tcp"
                )
            setting.write_config(REGISTRAR)
            await waypost(
                setting.config,
                *("endpoint", "new", "--sip-address", ALIAS, "--pool-fqdn", POOL),
            )
            arrow = "→" if is_unicode() else "->"
            say(f"[bold]endpoint[/bold]   {ALIAS} {arrow} {POOL}")
            stack.push_async_callback(self.service.stop)
            await self.service.start(setting.proxy)
            host, port = setting.proxy
            say(f"[bold]proxy[/bold]      {host}:{port}, udp and tcp\n")
            yield

    async def _open_console(self) -> None:
        """The console in front of all this, with a way in."""
        found = await start_console(self.setting)
        if found is None:
            text = "not installed: pip install 'waypost[console]'"
            self.console.print(f"\n[bold]console[/bold]    {text}")
            return
        self._stack.push_async_callback(found.stop)
        say = self.console.print
        say(f"\n[bold]console[/bold]    {found.url}")
        say("           sign in once, within 10 minutes:")
        say(f"           {found.link}", markup=False, soft_wrap=True)

    def _report(self, journey: Journey) -> None:
        if self.json_output:
            steps = [ladder.describe(s, self.front_ends) for s in journey.steps]
            print(
                json.dumps(
                    {
                        "ok": journey.ok,
                        "config": str(self.setting.config),
                        "steps": steps,
                    }
                ),
                flush=True,
            )
            return
        self.console.print(
            "[bold]A legacy Group Chat client starts up:[/bold]", highlight=False
        )
        rows = ladder.render(
            journey.steps, self.front_ends, self.console.width, is_unicode()
        )
        self.console.print(rows, soft_wrap=True)
        ladder.show_route(self.console, self.front_ends)
        if journey.ok:
            self.console.print("\n[green]every step arrived[/green]")
            return
        self.console.print("\n[red]the journey broke[/red]; the proxy's log ends:")
        self.console.print(self.service.tail(), markup=False, highlight=False)

    def _next_commands(self) -> None:
        config = shlex.quote(str(self.setting.config))
        binary = Path(sys.executable).with_name("waypost")
        program = str(binary) if binary.exists() else "waypost"
        host, port = self.setting.proxy
        lines = [
            f"{program} --config {config} endpoint get",
            f"{program} --config {config} pool show {POOL}",
            f"{program} --config {config} endpoint new --sip-address "
            f"sip:persistentchat@{DOMAIN} --pool-fqdn {POOL}",
            f"tail -f {self.setting.log}",
        ]
        if shutil.which("sipp") and MESSAGE_SCENARIO.exists():
            lines.insert(
                3,
                f"sipp -sf {MESSAGE_SCENARIO} -s persistentchat -key domain {DOMAIN} "
                f"-i 127.0.0.41 -m 1 {host}:{port}",
            )
        self.console.print("\nThe lab stays up. In another terminal, try:")
        for line in lines:
            self.console.print(f"  {line}", markup=False, soft_wrap=True)
        self.console.print("\nCtrl-C ends it.")

    async def _stay(self, stop: asyncio.Event) -> int:
        """Wait for Ctrl-C, or for the proxy to die."""
        ending = asyncio.ensure_future(stop.wait())
        dying = asyncio.ensure_future(self.service.wait())
        await asyncio.wait({ending, dying}, return_when=asyncio.FIRST_COMPLETED)
        if dying.done():
            self.console.print(f"waypost serve ended:\n{self.service.tail()}")
            ending.cancel()
            return 1
        dying.cancel()
        self.console.print("\nstopped")
        return 0
