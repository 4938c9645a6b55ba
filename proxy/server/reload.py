"""SIGHUP: read the configuration again and apply what can change while we run.

A file that does not load changes nothing and is logged with every problem.  What
needs a restart is named, and stays as it was.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TextIO

import structlog

from proxy.config.keys import KeyFileError
from proxy.config.model import Config
from proxy.config.problems import ConfigError
from proxy.core.settings import CoreSettings
from proxy.server import wiring
from proxy.server.drain import Drain
from proxy.server.runtime import Runtime
from proxy.telemetry.logs import set_up_logs

log = structlog.get_logger()

LIVE: Final = frozenset(
    {
        *("log.level", "log.format", "log.access"),
        *("attempts.connect", "attempts.first_answer", "attempts.total"),
        *("attempts.failover_codes", "limits.transactions", "server.drain_seconds"),
        "proxy.key_file",
    }
)
"""Keys that a reload applies; every other one needs a restart."""


@dataclass(slots=True)
class Reloader:
    """Knows the configuration in force."""

    config: Config
    runtime: Runtime
    drain: Drain
    stream: TextIO
    workers: int = 1
    is_quiet: bool = False
    """Of several workers the first one speaks for all."""

    def reload(self) -> bool:
        """Read the file again; False when it was refused.  Never raises."""
        try:
            fresh = Config.load(Path(self.config.path))
        except ConfigError as error:
            for problem in error.problems:
                log.error("config.refused", problem=str(problem))
            return False
        core = self.runtime.core
        try:
            # The store's own key is always the last one.
            keys = wiring.route_keys(fresh, core.settings.keys[-1])
        except KeyFileError as error:
            log.error("config.refused", problem=str(error))
            return False
        if keys != core.settings.keys:
            core.tokens.use_keys(keys)
            core.settings = replace(core.settings, keys=keys)
            if not self.is_quiet:
                log.info("keys.changed", keys=len(keys))
        changed = changes(self.config, fresh)
        waiting = sorted(changed - LIVE)
        applied = sorted(changed & LIVE)
        if applied:
            self._apply(fresh)
        if waiting and not self.is_quiet:
            log.warning("config.needs_restart", keys=waiting)
        if not self.is_quiet:
            log.info("config.reloaded", applied=applied)
        # What waits for a restart is named again by the next reload.
        self.config = reloaded(self.config, fresh)
        return True

    def _apply(self, fresh: Config) -> None:
        core = self.runtime.core
        set_up_logs(fresh.log.format, fresh.log.level, self.stream)
        self.runtime.access.writes = fresh.log.access
        self.drain.limit = fresh.server.drain_seconds
        core.settings = with_live_values(core.settings, fresh, self.workers)
        core.forwarder.settings = core.settings
        core.forwarder.attempts = core.settings.attempts


def reloaded(config: Config, fresh: Config) -> Config:
    """What is in force after a reload: of ``fresh`` only what may change."""
    server = replace(config.server, drain_seconds=fresh.server.drain_seconds)
    limits = replace(config.limits, transactions=fresh.limits.transactions)
    proxy = replace(config.proxy, key_file=fresh.proxy.key_file)
    return replace(
        config,
        proxy=proxy,
        log=fresh.log,
        attempts=fresh.attempts,
        server=server,
        limits=limits,
    )


def with_live_values(
    settings: CoreSettings, fresh: Config, workers: int = 1
) -> CoreSettings:
    """The core's settings with what a reload may change."""
    return replace(
        settings,
        attempts=wiring.attempts_of(fresh),
        max_transactions=wiring.share(fresh.limits.transactions, workers),
    )


def changes(old: Config, new: Config) -> set[str]:
    """The keys with another value, as ``section.key``; lists of tables as a whole."""
    before, after = _flat(old), _flat(new)
    keys = before.keys() | after.keys()
    return {key for key in keys if before.get(key) != after.get(key)}


def _flat(config: Config) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for section, table in config.as_table().items():
        if isinstance(table, dict):
            flat |= {f"{section}.{key}": value for key, value in table.items()}
        else:
            flat[section] = table
    return flat
