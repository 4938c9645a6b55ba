"""The world of a lab: DNS zone, front ends and the real `waypost serve`, up and down.

What is played in it belongs to `main` (one journey) and `migration` (the weekend).
"""

import asyncio
import contextlib
import shlex
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from rich.console import Console

from proxy.cli.screen.output import is_unicode
from proxy.lab.console import start_console
from proxy.lab.dns_server import ZoneServer
from proxy.lab.front_end import FrontEndServer
from proxy.lab.service import Service, waypost
from proxy.lab.setting import ALIAS, DOMAIN, POOL, REGISTRAR, Setting
from proxy.sip.host import host_port

# There in a checkout, not in an installed package.
MESSAGE_SCENARIO = Path(__file__).parents[2] / "tests/sipp/uac_message.xml"


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


class World:
    """One lab from `up` to its end; ``console`` is where it says what happens."""

    def __init__(self, setting: Setting, console: Console) -> None:
        self.setting = setting
        self.console = console
        self.front_ends = [
            FrontEndServer(f"fe{number}", host, port, domain=DOMAIN)
            for number, (host, port) in enumerate(setting.front_ends, 1)
        ]
        self.service = Service(setting.config, setting.log)
        self._stack = contextlib.AsyncExitStack()

    @contextlib.asynccontextmanager
    async def up(self, *, endpoint: bool = True) -> AsyncIterator[None]:
        """Everything up, with or without its endpoint; all down at the end."""
        setting, say = self.setting, self.console.print
        async with self._stack as stack:
            dns = ZoneServer(zone(setting), *setting.dns)
            await dns.start()
            stack.push_async_callback(dns.stop)
            place = host_port(*setting.dns)
            say(f"[bold]DNS[/bold]        {place}, SRV records of {POOL}")
            for front_end in self.front_ends:
                await front_end.start()
                stack.push_async_callback(front_end.stop)
                place = host_port(front_end.host, front_end.port)
                say(f"[bold]front end[/bold]  {front_end.name} at {place}, udp and tcp")
            setting.write_config(REGISTRAR)
            if endpoint:
                await waypost(
                    setting.config,
                    *("endpoint", "new", "--sip-address", ALIAS, "--pool-fqdn", POOL),
                )
                arrow = "→" if is_unicode() else "->"
                say(f"[bold]endpoint[/bold]   {ALIAS} {arrow} {POOL}")
            stack.push_async_callback(self.service.stop)
            await self.service.start(setting.proxy)
            place = host_port(*setting.proxy)
            say(f"[bold]proxy[/bold]      {place}, udp and tcp\n")
            yield

    async def stay(self, stop: asyncio.Event, *more: str) -> int:
        """Open a console, say what to try, wait for Ctrl-C or the proxy's end.

        ``more`` are words for `waypost` to try first.
        """
        await self._open_console()
        self._next_commands(more)
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

    def _next_commands(self, more: tuple[str, ...]) -> None:
        config = shlex.quote(str(self.setting.config))
        binary = Path(sys.executable).with_name("waypost")
        program = str(binary) if binary.exists() else "waypost"
        host, port = self.setting.proxy
        lines = [f"{program} --config {config} {words}" for words in more]
        lines += [
            f"{program} --config {config} endpoint get",
            f"{program} --config {config} pool show {POOL}",
            f"{program} --config {config} endpoint new --sip-address "
            f"sip:persistentchat@{DOMAIN} --pool-fqdn {POOL}",
        ]
        if shutil.which("sipp") and MESSAGE_SCENARIO.exists():
            lines.append(
                f"sipp -sf {MESSAGE_SCENARIO} -s persistentchat -key domain {DOMAIN} "
                f"-i 127.0.0.41 -m 1 {host_port(host, port)}"
            )
        lines.append(f"tail -f {self.setting.log}")
        self.console.print("\nThe lab stays up. In another terminal, try:")
        for line in lines:
            self.console.print(f"  {line}", markup=False, soft_wrap=True)
        self.console.print("\nCtrl-C ends it.")
