"""SIGHUP: read the configuration again, and apply what can change while we run.

A file that does not load changes nothing, and every problem is logged.  Changes that
need a restart are named and not applied.  Messages are served while the file is read
(``config/reader.py``).
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TextIO

import structlog

from proxy.config.digest import digest_of
from proxy.config.keys import KeyFileError
from proxy.config.model import Config
from proxy.config.pool import PoolSection
from proxy.config.problems import ConfigError
from proxy.config.reader import read
from proxy.core import events
from proxy.core.settings import CoreSettings
from proxy.server import wiring
from proxy.server.drain import Drain
from proxy.server.host.notify import Notifier
from proxy.server.runtime import Runtime
from proxy.server.state import ServiceState
from proxy.server.tasks import Tasks
from proxy.telemetry.logs import set_up_logs

log = structlog.get_logger()

LIVE: Final = frozenset(
    {
        *("log.level", "log.format", "log.access"),
        *("attempts.connect", "attempts.first_answer", "attempts.total"),
        "attempts.silence",
        *("attempts.failover_codes", "limits.transactions", "server.drain_seconds"),
        *("proxy.key_file", "dns.nameservers"),
        *("pool.failover_codes", "pool.probe_codes"),
        *("chat_probe.every", "chat_probe.from", "chat_probe.transports"),
        *("learned.ttl_days", "usage.keep_days"),
    }
)
"""Keys that a reload applies; every other one needs a restart."""
_CODES: Final = ("failover_codes", "probe_codes")
"""The keys of ``[[pool]]`` that a reload applies."""


def stop_reloading(loop: asyncio.AbstractEventLoop) -> None:
    """Ignore SIGHUP from now on, without an instant in which it ends the process.

    The loop puts the signal's default back when it closes, and that ends the process.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    loop.remove_signal_handler(signal.SIGHUP)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


class ReloadSignal:
    """Called at SIGHUP: reads the file, and gives the configuration to ``take``.

    There is one reading at a time.  After a signal during a reading the file is read
    once more, because the running one may have seen an older file.
    """

    def __init__(
        self,
        path: Path,
        take: Callable[[Config], Awaitable[None]],
        tasks: Tasks,
        notifier: Notifier,
        state: ServiceState,
    ) -> None:
        self._path = path
        self._take = take
        self._tasks = tasks
        self._notifier = notifier
        self._state = state
        self._is_wanted = self._is_busy = False

    def __call__(self) -> None:
        self._is_wanted = True
        if not self._is_busy:
            self._is_busy = True
            self._tasks.start(self._run(), "reload")

    async def _run(self) -> None:
        try:
            while self._is_wanted:
                self._is_wanted = False
                self._notifier.reloading()
                await self._reload()
                if self._state.is_ready:  # and not draining by now
                    self._notifier.tell("READY=1")
        finally:
            self._is_busy = False

    async def _reload(self) -> None:
        try:
            fresh = await read(self._path)
        except ConfigError as error:
            for problem in error.problems:
                log.error("config.refused", problem=str(problem))
        else:
            await self._take(fresh)


@dataclass(slots=True)
class Reloader:
    """Applies a new configuration; ``config`` is the one in force."""

    config: Config
    runtime: Runtime
    drain: Drain
    stream: TextIO
    workers: int = 1
    is_quiet: bool = False
    """Log nothing: of several workers only the first one logs."""

    def take(self, fresh: Config) -> bool:
        """Apply a file that was read; False when it was refused.  Never raises."""
        core = self.runtime.core
        self.runtime.resolver.look_again()
        try:
            # The store's own key is always the last one.
            keys = wiring.route_keys(fresh, core.settings.keys[-1])
        except KeyFileError as error:
            log.error("config.refused", problem=str(error))
            return False
        if keys != core.settings.keys:
            self.runtime.step(events.KeysChanged(keys))
            if not self.is_quiet:
                log.info("keys.changed", keys=len(keys))
        changed = changes(self.config, fresh)
        left = needs_restart(self.config, fresh)
        applied = sorted(changed & LIVE)
        if applied:
            self._apply(fresh)
        self.drain.state.needs_restart = left
        self.drain.state.has_read(digest_of(fresh.effective()))
        if left and not self.is_quiet:
            log.warning("config.needs_restart", keys=left)
        if not self.is_quiet:
            log.info("config.reloaded", applied=applied)
        # Keep the old values of keys that need a restart: the next reload names them
        # again.
        self.config = self.runtime.config = reloaded(self.config, fresh)
        return True

    def _apply(self, fresh: Config) -> None:
        set_up_logs(fresh.log.format, fresh.log.level, self.stream)
        self.runtime.access.writes = fresh.log.access
        self.drain.limit = fresh.server.drain_seconds
        if fresh.dns != self.config.dns:
            self.runtime.resolver.use(fresh.dns.nameservers or None)
        settings = with_live_values(self.runtime.core.settings, fresh, self.workers)
        self.runtime.step(events.SettingsChanged(settings))


def reloaded(config: Config, fresh: Config) -> Config:
    """The configuration in force after a reload: of ``fresh`` only what may change."""
    server = replace(config.server, drain_seconds=fresh.server.drain_seconds)
    limits = replace(config.limits, transactions=fresh.limits.transactions)
    proxy = replace(config.proxy, key_file=fresh.proxy.key_file)
    usage = replace(config.usage, keep_days=fresh.usage.keep_days)
    return replace(
        config,
        proxy=proxy,
        dns=fresh.dns,
        log=fresh.log,
        attempts=fresh.attempts,
        server=server,
        limits=limits,
        pool=_with_codes_of(config.pool, fresh.pool),
        chat_probe=fresh.chat_probe,
        learned=fresh.learned,
        usage=usage,
    )


def _with_codes_of(
    old: Sequence[PoolSection], fresh: Sequence[PoolSection]
) -> list[PoolSection]:
    """The pools with the certificates in force and the statuses of ``fresh``."""
    own = {each.fqdn: each for each in old}
    new = {each.fqdn: each for each in fresh}
    found = []
    for fqdn in own | new:
        none = PoolSection(fqdn=fqdn)
        codes = new.get(fqdn, none)
        found.append(
            replace(
                own.get(fqdn, none),
                failover_codes=codes.failover_codes,
                probe_codes=codes.probe_codes,
            )
        )
    return found


def with_live_values(
    settings: CoreSettings, fresh: Config, workers: int = 1
) -> CoreSettings:
    """The core's settings with what a reload may change."""
    return replace(
        settings,
        attempts=wiring.attempts_of(fresh),
        max_transactions=wiring.memory_shares(fresh, workers).transactions,
    )


def changes(old: Config, new: Config) -> set[str]:
    """The keys with another value, as ``section.key``; lists of tables as a whole."""
    before, after = _flat(old), _flat(new)
    keys = before.keys() | after.keys()
    return {key for key in keys if before.get(key) != after.get(key)}


def needs_restart(old: Config, new: Config) -> list[str]:
    """The changed keys that only a restart applies."""
    return sorted(changes(old, new) - LIVE)


def _flat(config: Config) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for section, table in config.as_table().items():
        if section == "console":
            continue  # the console is another process
        if isinstance(table, dict):
            flat |= {f"{section}.{key}": value for key, value in table.items()}
        elif section == "pool":
            flat |= _pools_flat(table)
        else:
            flat[section] = table
    return flat


def _pools_flat(pools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The values of each pool; the statuses apart, because a reload applies them."""
    rest = {
        each["fqdn"]: {
            key: value
            for key, value in each.items()
            if key not in ("fqdn", *_CODES) and value is not None
        }
        for each in pools
    }
    flat: dict[str, Any] = {"pool": {fqdn: own for fqdn, own in rest.items() if own}}
    for key in _CODES:
        flat[f"pool.{key}"] = {
            each["fqdn"]: each[key] for each in pools if each[key] is not None
        }
    return flat
