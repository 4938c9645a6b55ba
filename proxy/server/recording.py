"""The flight recorder of a running process: starts it, and answers its pages."""

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

import structlog

from proxy.config.model import Config
from proxy.recorder.live import Filter, FilterError
from proxy.recorder.recorder import MEGABYTE, Recorder
from proxy.server.hep_sender import HepSender
from proxy.server.runtime import Runtime

log = structlog.get_logger()

Query = Mapping[str, str]

MOST_CALLS: Final = 100
MOST_LINES: Final = 10_000
LONGEST_LIVE: Final = 86_400.0
"""Seconds of a live trace."""


def begin_recording(config: Config, runtime: Runtime, workers: int = 1) -> None:
    """Start the recorder as ``[recorder]`` says; workers share its memory."""
    section = config.recorder
    if not section.megabytes:
        return
    wall = runtime.wall
    recorder = Recorder(
        section.megabytes * MEGABYTE // workers,
        lambda: wall.offset,
        calls=section.calls // workers,
        bodies=section.bodies,
    )
    recorder.names = lambda: _names(runtime)
    recorder.pools = lambda: _pools(runtime)
    runtime.record(recorder)
    address = section.hep_address
    if address is not None:
        sender = runtime.hep = HepSender(*address)
        recorder.kept.tell = sender.tell
        runtime.tasks.keep(sender.run, "hep")


def recorder_state(runtime: Runtime) -> dict[str, Any] | None:
    """What the recorder holds, for ``/status``; None without a recorder."""
    recorder = runtime.recorder
    if recorder is None:
        return None
    kept = recorder.kept
    return {
        "bytes": kept.size,
        "bytes_limit": kept.limit,
        "calls_kept": len(kept.calls),
        "evicted": kept.evicted,
    }


def _names(runtime: Runtime) -> dict[str, str]:
    """The names of front ends, by numeric address."""
    now = runtime.loop.time()
    resolutions = (runtime.resolver.cached(x, now) for x in runtime.lookups())
    return {
        front_end.host: front_end.name
        for found in resolutions
        if found is not None
        for front_end in found.front_ends()
        if front_end.name and front_end.name != front_end.host
    }


def _pools(runtime: Runtime) -> dict[str, str]:
    """The pools of front ends, by numeric address."""
    now = runtime.loop.time()
    return {
        front_end.host: fqdn.lower()
        for fqdn, lookup in runtime.pool_lookups().items()
        if (found := runtime.resolver.cached(lookup, now)) is not None
        for front_end in found.front_ends()
    }


def trace(runtime: Runtime, query: Query) -> dict[str, Any]:
    """What this process has of one call, or of several that are kept."""
    recorder = runtime.recorder
    if recorder is None:
        return {"is_on": False, "bodies": False, "skipped": 0, "calls": []}
    runtime.access.flush()
    recorder.look(runtime.loop.time())
    bodies = query.get("bodies") == "1"
    if bodies and recorder.kept.bodies:
        log.warning("recorder.bodies_shown", by=query.get("by", ""))
    if query.get("one") == "1":
        found = recorder.call(query.get("call_id", ""), bodies=bodies)
    else:
        found = recorder.find(
            _number(query, "since", 0.0),
            _number(query, "until", 1e12),
            min(int(_number(query, "limit", 10)), MOST_CALLS),
            failed=query.get("failed") == "1",
            live=query.get("live", ""),
            wanted=_filter(query),
            after=_number(query, "after", 0.0),
            bodies=bodies,
        )
    return {
        "is_on": True,
        "bodies": recorder.kept.bodies,
        "skipped": recorder.skipped,
        "calls": found,
    }


def _filter(query: Query) -> Filter | None:
    try:
        return Filter(query)
    except FilterError:
        return None


def live(runtime: Runtime, query: Query) -> dict[str, Any]:
    """Begin a live trace in this process, or end it."""
    recorder = runtime.recorder
    if recorder is None:
        return {"is_on": False, "problem": ""}
    name, now = query.get("name", ""), runtime.loop.time()
    seconds = min(_number(query, "for", 0.0), LONGEST_LIVE)
    problem = ""
    if seconds > 0:
        try:
            recorder.begin(name, Filter(query), seconds, now)
        except FilterError as error:
            problem = str(error)
    else:
        recorder.end(name)
    return {"is_on": True, "problem": problem}


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
