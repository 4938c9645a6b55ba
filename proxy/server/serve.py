"""``waypost serve``: one process that is the proxy, or a supervisor with its workers.

This module stands above both, so it alone of ``proxy/server/`` may name the workers.
"""

import asyncio
import sys

from proxy.config.model import Config
from proxy.net.selector import DirectEventLoop
from proxy.server.lifecycle import run
from proxy.telemetry.outlet import outlet_of


def serve(config: Config) -> int:
    """Run the proxy until SIGTERM or SIGINT; the exit code of ``waypost serve``."""
    try:
        if config.server.worker_count > 1:
            # Here, because a process of its own never needs it and counts its memory.
            from proxy.server.workers.supervisor import supervise

            return asyncio.run(supervise(config, sys.stderr))
        factory = DirectEventLoop if sys.platform == "linux" else None
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(run(config, sys.stderr))
    finally:
        outlet_of(sys.stderr).drain()
