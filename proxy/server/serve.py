"""``waypost serve``: a single process, or a supervisor with its workers.

This module is above both, so it is the only one of ``proxy/server/`` that may import
the workers (decision 64).
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.config.model import Config
from proxy.net.event_loop import new_event_loop
from proxy.server.lifecycle import run
from proxy.telemetry.logs import set_up_logs
from proxy.telemetry.outlet import outlet_of

if TYPE_CHECKING:
    from proxy.server.event_log.writer import EventLog


def serve(config: Config, log_events: Path | None = None) -> int:
    """Run the proxy until SIGTERM or SIGINT; the exit code of ``waypost serve``.

    ``log_events`` is a file for what the core takes and gives; raises EventLogError.
    """
    event_log = None
    if log_events is not None:
        event_log = _event_log(config, log_events)
    try:
        if config.server.worker_count > 1:
            # Imported here to spare a single process the memory.
            from proxy.server.workers.supervisor import supervise

            return asyncio.run(supervise(config, sys.stderr))
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            return runner.run(run(config, sys.stderr, event_log))
    finally:
        if event_log is not None:
            event_log.close()
        outlet_of(sys.stderr).drain()


def _event_log(config: Config, path: Path) -> EventLog:
    # Imported here to spare a service without an event log the memory.
    from proxy.server.event_log.file import EventLogError
    from proxy.server.event_log.writer import EventLog

    if config.server.worker_count > 1:
        raise EventLogError(
            "an event log is one process's: write workers = 1 into [server]"
        )
    set_up_logs(config.log.format, config.log.level, sys.stderr)
    return EventLog(path)
