"""The flight recorder of a running process: begun with it, asked by its pages."""

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from proxy.config.model import Config
from proxy.recorder.recorder import MEGABYTE, Recorder
from proxy.server.runtime import Runtime

Query = Mapping[str, str]

MOST_CALLS: Final = 100
MOST_LINES: Final = 10_000


def begin_recording(config: Config, runtime: Runtime, workers: int = 1) -> None:
    """Remember messages as ``[recorder]`` says; workers share the room."""
    section = config.recorder
    if not section.megabytes:
        return
    wall = runtime.wall
    runtime.record(
        Recorder(
            section.megabytes * MEGABYTE // workers,
            lambda: wall.offset,
            calls=section.calls // workers,
            bodies=section.bodies,
        )
    )


def trace(runtime: Runtime, query: Query) -> dict[str, Any]:
    """What this process knows of a call, or of those that failed."""
    recorder = runtime.recorder
    if recorder is None:
        return {"is_on": False, "bodies": False, "skipped": 0, "calls": []}
    runtime.access.flush()
    recorder.look(runtime.loop.time())
    bodies = query.get("bodies") == "1"
    if "call_id" in query:
        calls = recorder.call(query["call_id"], bodies=bodies)
    else:
        calls = recorder.failed(
            _number(query, "since", 0.0),
            _number(query, "until", 1e12),
            min(int(_number(query, "limit", 10)), MOST_CALLS),
            bodies=bodies,
        )
    return {
        "is_on": True,
        "bodies": recorder.kept.bodies,
        "skipped": recorder.skipped,
        "calls": calls,
    }


def calls(runtime: Runtime, query: Query) -> dict[str, Any]:
    """The last requests and dialogs of this process."""
    recorder = runtime.recorder
    if recorder is None or not recorder.book.count:
        return {"is_on": False, "calls": []}
    runtime.access.flush()
    recorder.look(runtime.loop.time())
    found = recorder.book.find(
        aor=query.get("aor", ""),
        endpoint=query.get("endpoint", ""),
        failed=query.get("failed") == "1",
        since=_number(query, "since", 0.0),
        until=_number(query, "until", 1e12),
    )
    most = min(int(_number(query, "limit", 50)), MOST_LINES)
    return {"is_on": True, "calls": [line.to_json() for line in islice(found, most)]}


def _number(query: Query, name: str, default: float) -> float:
    try:
        return float(query.get(name, default))
    except ValueError:
        return default
