"""``waypost serve``, kept apart so that the service never loads the command line.

Its memory and its start are measured: neither Typer nor Rich is imported on this way.
"""

import gc
import sys

from proxy.cli.session import Session


def serve_command(session: Session) -> int:
    """Load the configuration and run the proxy; the exit code.

    Raises ConfigError and StoreError.
    """
    # structlog would import Rich for coloured tracebacks, 50 ms and some MB of it.
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
    # Imports and the rows of the store make many objects and no garbage; a service
    # that runs has the collector off anyway (server/lifecycle.py).
    gc.disable()
    config = session.config()
    from proxy.server.runtime import serve

    return serve(config)
