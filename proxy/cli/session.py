"""What a command runs in: the options of the line, the configuration, the store."""

import asyncio
import os
import pwd
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from proxy import clock
from proxy.admin.control import ControlError, Operator, rules_of
from proxy.admin.cutover import roll_back_overdue
from proxy.cli.hosting.host import HOST
from proxy.config import Config, find_config, load_config
from proxy.config.file import is_searched, overshadowed
from proxy.store import Actor, StoreError, open_store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """The options that every command has."""

    config_file: str | None = None
    json: bool = False

    def config(self) -> Config:
        """The configuration; raises ConfigError."""
        host = HOST.get()
        if host is not None:
            if self.config_file is not None:
                raise ControlError("the console has a configuration of its own")
            return host.config
        path = find_config(self.config_file)
        if is_searched(self.config_file):
            _tell_once(overshadowed(path))
        return load_config(path)

    def stay(self) -> None:
        """To be called before following something; raises ControlError.

        At another machine only some may at once.
        """
        host = HOST.get()
        if host is not None:
            host.stay()

    def operate(self, work: Callable[[Operator], Awaitable[T]]) -> T:
        """Run a verb on the configured store; raises ControlError, StoreError."""
        config = self.config()
        host = HOST.get()
        if host is not None:
            found: T = asyncio.run(host.operate(work))
            return found

        async def run() -> T:
            store = await open_store(config.store_url)
            problem = ""
            try:
                try:
                    await roll_back_overdue(store, clock.wall(), clock.uptime())
                except StoreError as error:
                    if error.is_away:
                        raise
                    # A command that only reads must still work, now more than ever.
                    problem = str(error)
                operator = Operator(
                    store,
                    rules_of(config),
                    current_actor(),
                    rollback_problem=problem,
                )
                return await work(operator)
            finally:
                await store.close()

        return asyncio.run(run())


@cache
def _tell_once(note: str) -> None:
    if note:
        print(f"waypost: note: {note}", file=sys.stderr)


def current_actor() -> Actor:
    """The person at the keyboard, for the audit: behind sudo the one who called it."""
    name = os.environ.get("SUDO_USER")
    if not name:
        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            name = str(os.getuid())
    return Actor(name, f"cli on {socket.gethostname()}")
