"""``store check``: is the store well, and can the service write it?  Changes nothing.

Steps with verdicts, as the doctor has them.  The one thing that is written is the value
without meaning that a running service writes as well.
"""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final

from proxy.admin.counted import counted
from proxy.admin.doctor.verdicts import Step
from proxy.admin.storage import account
from proxy.facts.model import Verdict
from proxy.store import StoreError, open_store
from proxy.store.copying import SECTIONS, Rows
from proxy.store.factory import open_copy, sqlite_path
from proxy.store.sqlite.contents import Contents, contents_of
from proxy.store.sqlite.errors import store_error
from proxy.store.sqlite.holders import holder_of
from proxy.store.sqlite.migrations import NEWEST

LONG_LOG: Final = 64_000_000
"""Bytes of a log that somebody must be keeping from being emptied."""
LEAST_FREE: Final = 100_000_000
LEAST_LEFT: Final = 100_000
"""Bytes without which a change may not be written."""
_AHEAD: Final = 300.0
"""Seconds that a change may be ahead of this machine's clock."""
_NOUNS: Final = {
    **{"endpoints": "endpoint", "bindings": "contact"},
    **{"usage": "legacy user", "audit": "change"},
}
"""Sections of the store, and what people call a row of each."""
_RESTORE: Final = 'restore a backup: "waypost store restore FILE" (docs/backup.md)'
_CLOCK: Final = "set this machine's clock, or that of the node that made the change"


async def check(
    url: str, now: float, tell: Callable[[Step], None] = lambda step: None
) -> list[Step]:
    """Every step; ``tell`` hears each as it is done.  Raises nothing that the store
    does."""
    steps: list[Step] = []
    async for step in _steps(url, now):
        steps.append(step)
        tell(step)
    return steps


async def _steps(url: str, now: float) -> AsyncIterator[Step]:
    path = sqlite_path(url)
    if path is None:
        async for step in _redis(url, now):
            yield step
        return
    verdicts: dict[str, Verdict] = {}
    found = _file(path, now)
    # Every page of a file is read, so not in the loop of whoever asks.
    while (next_one := await asyncio.to_thread(next, found, None)) is not None:
        verdicts[next_one.name] = next_one.verdict
        yield next_one
    # Whoever opens an older store brings it up, and that is not our business.
    if "failed" not in verdicts.values() and verdicts.get("version") == "ok":
        yield await _written(url, path.name)


# -- a file --------------------------------------------------------------------------


def _file(path: Path, now: float) -> Iterator[Step]:
    of = path.name
    try:
        size = path.stat().st_size
    except OSError as error:
        text = f"cannot be looked at: {error.strerror}"
        fix = "the service or any command makes it, when the folder is there"
        if not isinstance(error, FileNotFoundError):
            fix = f"run this as root, or as the owner of {path.parent}"
        yield Step(of, "file", "failed", text, fix)
        return
    yield _holder(of, path)
    yield from account.steps(path)
    yield from _read(of, path, now)
    yield from _sizes(of, path, size)


def _holder(of: str, path: Path) -> Step:
    try:
        holder = holder_of(path)
    except OSError as error:
        return Step(of, "in use", "unknown", f"cannot be asked: {error.strerror}")
    return Step(of, "in use", "ok", f"by {holder}" if holder else "by nobody")


def _read(of: str, path: Path, now: float) -> Iterator[Step]:
    try:
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=5.0)) as db:
            found = contents_of(db)
            problems = [row[0] for row in db.execute("PRAGMA integrity_check(5)")]
            first = _oldest(db) if found is not None else 0.0
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        broken = code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        verdict: Verdict = "failed" if broken else "unknown"
        text = str(store_error(path, error))
        yield Step(of, "integrity", verdict, text, _RESTORE if broken else "")
        return
    if found is None:
        yield Step(of, "integrity", "failed", "it is no store of Waypost", _RESTORE)
        return
    if problems == ["ok"]:
        yield Step(of, "integrity", "ok", "every page and index is whole")
    else:
        yield Step(of, "integrity", "failed", "; ".join(problems), _RESTORE)
    yield _version(of, found.schema, NEWEST)
    yield _rows(of, found, first, now)


def _oldest(db: sqlite3.Connection) -> float:
    return float(db.execute("SELECT coalesce(min(at), 0.0) FROM audit").fetchone()[0])


def _version(of: str, schema: int, newest: int) -> Step:
    if schema > newest:
        text = f"schema {schema}, written by a newer waypost; this one knows {newest}"
        fix = 'upgrade this one, or restore a backup of before: "docs/backup.md"'
        return Step(of, "version", "failed", text, fix)
    if schema < newest:
        text = f"schema {schema}; the next start brings it to {newest}"
        fix = 'take a backup first: "waypost store backup FILE"'
        return Step(of, "version", "warning", text, fix)
    return Step(of, "version", "ok", f"schema {schema}")


def _rows(of: str, found: Contents, first: float, now: float) -> Step:
    held = _held({table: found.rows.get(table, 0) for table in _NOUNS})
    return _dated(of, held, first, found.change, now)


def _held(rows: dict[str, int]) -> str:
    """The counts that people know their store by."""
    return ", ".join(counted(rows[table], noun) for table, noun in _NOUNS.items())


def _dated(
    of: str, held: str, first: float, newest: tuple[float, str, str], now: float
) -> Step:
    at, actor, verb = newest
    if not at:
        return Step(of, "rows", "ok", f"{held}; nothing was ever changed")
    text = f"{held}; changed from {_day(first)} to {_day(at)} ({verb} by {actor})"
    if at > now + _AHEAD:
        return Step(of, "rows", "warning", f"{text}, which is in the future", _CLOCK)
    return Step(of, "rows", "ok", text)


def _sizes(of: str, path: Path, size: int) -> Iterator[Step]:
    log = Path(f"{path}-wal")
    try:
        log_size = log.stat().st_size
    except OSError:
        log_size = 0
    text = f"{_bytes(size)}, and {_bytes(log_size)} in its log"
    if log_size > LONG_LOG:
        fix = (
            "somebody reads and does not end, which keeps the log from being emptied: "
            f'"fuser {path}" names them'
        )
        yield Step(of, "size", "warning", text, fix)
    else:
        yield Step(of, "size", "ok", text)
    free = os.statvfs(path.parent)
    left = free.f_bavail * free.f_frsize
    if left < max(LEAST_FREE, 2 * size):
        fix = "free some: a restore needs room for a second store, a backup as well"
        verdict: Verdict = "failed" if left < LEAST_LEFT else "warning"
        yield Step(of, "room", verdict, f"{_bytes(left)} left on its disk", fix)
    else:
        yield Step(of, "room", "ok", f"{_bytes(left)} left on its disk")
    kept = [*path.parent.glob(f"{path.name}.before-restore-*")]
    if kept:
        whole = _bytes(sum(each.stat().st_size for each in kept))
        text = f"{len(kept)} kept by restores, {whole}"
        yield Step(of, "before restores", "ok", text, "remove them when all is well")


# -- both ----------------------------------------------------------------------------


async def _written(url: str, of: str) -> Step:
    try:
        store = await open_store(url)
        try:
            await store.try_write(is_thorough=True)
        finally:
            await store.close()
    except StoreError as error:
        fix = "calls go on; a change or a REGISTER is refused until this is mended"
        return Step(of, "write", "failed", str(error), fix)
    return Step(of, "write", "ok", "a value without meaning was written")


async def _redis(url: str, now: float) -> AsyncIterator[Step]:
    of = url.rpartition("@")[2]
    rows: dict[str, Rows] = {}
    try:
        source = await open_copy(url, is_source=True)
    except StoreError as error:
        fix = "check [store] url, and whether Redis runs"
        yield Step(of, "answers", "failed", str(error), fix)
        return
    section = ""
    try:
        yield Step(of, "answers", "ok", "it is there, of a version that this one knows")
        await source.freeze()
        for section in SECTIONS:
            rows[section] = await source.read(section)
    except StoreError as error:
        yield Step(of, "integrity", "unknown", str(error))
        return
    except (ValueError, TypeError, LookupError) as error:
        text = f'"{section}" cannot be read: {error}'
        yield Step(of, "integrity", "failed", text, _RESTORE)
        return
    finally:
        await source.close()
    yield Step(of, "integrity", "ok", "every row can be read")
    yield _redis_rows(of, rows, now)
    yield await _written(url, of)


def _redis_rows(of: str, rows: dict[str, Rows], now: float) -> Step:
    held = _held({section: len(rows[section]) for section in _NOUNS})
    audit = sorted(rows["audit"].items(), key=lambda item: item[0])
    if not audit:
        return _dated(of, held, 0.0, (0.0, "", ""), now)
    first, last = audit[0][1], audit[-1][1]
    newest = float(last[1] or 0), str(last[2]), str(last[4])
    return _dated(of, held, float(first[1] or 0), newest, now)


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def _bytes(size: int) -> str:
    if size >= 1_000_000_000:
        return f"{size / 1_000_000_000:.1f} GB"
    return f"{size / 1_000_000:.1f} MB" if size >= 100_000 else f"{size:,} bytes"
