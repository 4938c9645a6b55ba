"""``waypost serve``, kept apart so that the service never loads the command line.

Its memory and its start are measured: neither Typer nor Rich is imported on this way.
"""

import gc
import sys
from pathlib import Path


def serve_command(config_file: str | None, events: str | None = None) -> int:
    """Load the configuration and run the proxy; the exit code.

    ``events`` is the file of an event log.  Raises ConfigError, StoreError, and
    EventLogError for a file that cannot be had.
    """
    # structlog would import Rich for coloured tracebacks, 50 ms and some MB of it.
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
    # Imports and the rows of the store make many objects and no garbage; a service
    # that runs has the collector off anyway (server/garbage.py).
    gc.disable()
    if events is not None:
        from proxy.server.event_log.hash_seed import with_known_seed

        with_known_seed()
    from proxy.config.file import find_config, is_searched, overshadowed
    from proxy.config.reader import read_now

    path = find_config(config_file)
    note = overshadowed(path) if is_searched(config_file) else ""
    if note:
        print(f"waypost: note: {note}", file=sys.stderr)
    config = read_now(path)
    # Only now: a mistake in the file is reported before all this is loaded.
    from proxy.server.serve import serve

    gc.collect()  # what imports left behind, before there is more
    return serve(config, None if events is None else Path(events))
