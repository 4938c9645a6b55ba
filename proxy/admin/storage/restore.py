"""``store restore``: the backup in place of what a store holds, all of it or nothing.

The backup is copied, read whole, brought to the newest schema and only then put in the
place of the store, in one step (``store/sqlite/swap``, ``store/redis/swap``).  What was
there is kept as a file.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final

from proxy.admin.control import ControlError
from proxy.admin.storage.backup import write_part
from proxy.admin.storage.losses import losses
from proxy.admin.storage.rows import copy_rows
from proxy.store.actor import Actor
from proxy.store.errors import StoreError
from proxy.store.factory import open_copy, sqlite_path
from proxy.store.sqlite.backup_file import Backup, BackupError, examine
from proxy.store.sqlite.contents import RESTORE, SEAL, Contents, Progress, silent
from proxy.store.sqlite.copying import SqliteCopy
from proxy.store.sqlite.errors import is_full
from proxy.store.sqlite.file import SqliteFile
from proxy.store.sqlite.migrations import NEWEST
from proxy.store.sqlite.place import prepare
from proxy.store.sqlite.registrar import write_audit
from proxy.store.sqlite.staging import flush, staging
from proxy.store.sqlite.swap import (
    Present,
    forget_links,
    install,
    present_at,
    refuse_holder,
)

_PART: Final = "part.db"


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants restored, and by whom and when."""

    url: str
    backup: Path
    actor: Actor
    now: float
    force: bool = False
    what_if: bool = False


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, what is not in it, and where the store of before is kept.

    ``in_use_by`` is who has the store open now, so that only a what-if gets so far.
    """

    backup: Backup
    lost: list[str]
    kept: Path | None
    is_same_store: bool = True
    in_use_by: str = ""


async def restore(wish: Wish, progress: Progress = silent) -> Restored:
    """Put a backup in the place of the store; with ``what_if`` only judge.

    Raises ControlError, StoreError; then nothing is changed.
    """
    path = sqlite_path(wish.url)
    try:
        if path is None:
            return await _into_redis(wish, progress)
        return _into_file(wish, path, progress)
    except BackupError as error:
        raise ControlError(str(error)) from None
    except StoreError as error:
        if isinstance(error.__cause__, sqlite3.Error):  # of the copy
            raise ControlError(_failed(path, error.__cause__)) from None
        raise
    except (OSError, sqlite3.Error) as error:
        raise ControlError(_failed(path, error)) from None


# -- a file --------------------------------------------------------------------------


def _into_file(wish: Wish, path: Path, progress: Progress) -> Restored:
    if path.exists() and wish.backup.exists() and path.samefile(wish.backup):
        raise ControlError(f"{path} is the store itself: name a backup of it")
    kept = _kept(path, wish.now)
    if wish.what_if:
        backup = _fit(examine(wish.backup, progress))
        there = present_at(path)
        found = _allowed(wish, backup, there.contents)
        is_kept = there.is_there
        found += _unread(is_kept, there.contents)
        result = _restored(backup, found, kept if is_kept else None, there.contents)
        return replace(result, in_use_by=there.holder)
    forget_links(path)
    with staging(path.parent) as folder:
        part = folder / _PART
        backup = _whole_copy(wish, part, progress)
        present_at(path)  # refuses before anything is touched
        refuse_holder(path)
        seen: list[Contents | None] = []
        lost: list[str] = []

        def judge(contents: Contents | None) -> None:
            # When nobody else can write any more.
            lost[:] = _allowed(wish, backup, contents)
            seen.append(contents)

        _own(part, path)
        is_kept = install(part, path, kept, judge)
    lost += _unread(is_kept, seen[-1])
    return _restored(backup, lost, kept if is_kept else None, seen[-1])


def _unread(is_there: bool, contents: Contents | None) -> list[str]:
    if contents is not None or not is_there:
        return []
    return ["what the present store has had since: it cannot be read"]


def _kept(path: Path, now: float) -> Path:
    """A name that nothing has yet."""
    stamp = f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}"
    names = (f"{path.name}.before-restore-{stamp}{end}" for end in _ends())
    return next(
        each for each in map(path.with_name, names) if not os.path.lexists(each)
    )


def _ends() -> Iterator[str]:
    yield ""
    yield from (f"-{number}" for number in count(2))


def _own(part: Path, path: Path) -> None:
    """To whom the store belongs, or its folder; nobody else may read it."""
    owner = (path if path.exists() else path.parent).stat()
    if os.geteuid() == 0:
        os.chown(part, owner.st_uid, owner.st_gid)
    os.chmod(part, 0o600)
    flush(part)


def _whole_copy(wish: Wish, part: Path, progress: Progress) -> Backup:
    """A store of the newest schema out of a backup; the copy is what was judged."""
    try:
        shutil.copyfile(wish.backup, part)
    except FileNotFoundError as error:
        if error.filename == str(wish.backup):
            raise BackupError(f"there is no file {wish.backup}") from None
        raise
    os.chmod(part, 0o600)
    backup = _fit(replace(examine(part, progress, wish.backup), path=wish.backup))
    with closing(sqlite3.connect(part, isolation_level=None)) as db:
        db.execute(f"DROP TABLE IF EXISTS {SEAL}")
    SqliteFile(part).close()  # brings it to the newest schema
    with closing(sqlite3.connect(part, isolation_level=None)) as db:
        made = backup.made_at or backup.contents.change[0]
        key = f"{datetime.fromtimestamp(made, UTC):%Y-%m-%dT%H:%M:%SZ}"
        write_audit(db, wish.actor, RESTORE, ("store", key), wish.now)
        db.execute("PRAGMA journal_mode = DELETE").fetchone()
    flush(part)
    return backup


def _fit(backup: Backup) -> Backup:
    if backup.contents.schema > NEWEST:
        by = f" {backup.made_by}" if backup.made_by else ""
        raise ControlError(
            f"{backup.path} was made by a newer waypost{by} (schema "
            f"{backup.contents.schema}, this one knows up to {NEWEST}): restore it "
            "with that version, or take a backup of before the upgrade"
        )
    return backup


def _allowed(wish: Wish, backup: Backup, present: Contents | None) -> list[str]:
    """What is not in the backup; raises ControlError unless that is forced."""
    found = losses(present, backup)
    if wish.force:
        return found
    if backup.may_lack_its_log:
        raise ControlError(
            f"{backup.path} is a plain copy of a store's file: what stood in the log "
            "beside it (-wal) is missing. Take a backup, or use it with --force"
        )
    if found:
        raise ControlError(
            f"the store is newer than {backup.path}, which lacks: {'; '.join(found)}. "
            "--force restores it all the same and keeps the present store as a file"
        )
    return found


def _restored(
    backup: Backup, lost: list[str], kept: Path | None, present: Contents | None
) -> Restored:
    # A node that runs on an empty store has its secret all the same.
    is_same = present is None or present.secret == backup.contents.secret
    return Restored(backup, lost, kept, is_same)


# -- a Redis -------------------------------------------------------------------------


async def _into_redis(wish: Wish, progress: Progress) -> Restored:
    from proxy.store.redis.swap import RedisSwap

    with tempfile.TemporaryDirectory(prefix="waypost-") as name:
        part = Path(name) / _PART
        backup = _whole_copy(wish, part, progress)
        before = Path(name) / "before.db"
        present = await _present_in(wish, before)
        lost = _allowed(wish, backup, present.contents)
        contents = present.contents
        kept = None
        if contents is not None and not contents.is_empty:
            kept = _kept(wish.backup.absolute().with_name("waypost.db"), wish.now)
        if wish.what_if:
            return _restored(backup, lost, kept, contents)
        if kept is not None:
            _keep(before, kept)
        swap = await RedisSwap.open(wish.url)
        try:
            source = SqliteCopy(part, is_scratch=True)
            try:
                await copy_rows(source, swap.stage, progress)
            finally:
                await source.close()
            changes, version = 0, 0
            if contents is not None:
                changes, version = contents.number, contents.table_version
            await swap.swap(changes, version, backup.contents.secret)
        finally:
            await swap.close()
    return _restored(backup, lost, kept, contents)


async def _present_in(wish: Wish, before: Path) -> Present:
    try:
        await (await open_copy(wish.url, is_source=True)).close()
    except StoreError as error:
        if error.is_away or error.is_passing:
            raise
        return Present(False)
    await write_part(wish.url, before, wish.now, silent)
    return Present(True, examine(before).contents)


def _keep(before: Path, kept: Path) -> None:
    """The store of before, as a backup beside the one that takes its place."""
    with staging(kept.parent) as folder:
        part = folder / _PART
        prepare(part)
        shutil.copyfile(before, part)
        flush(part)
        os.replace(part, kept)
        flush(kept.parent)


def _failed(path: Path | None, error: OSError | sqlite3.Error) -> str:
    path = path or Path(tempfile.gettempdir(), _PART)
    if is_full(path.parent / _PART, error):
        return (
            f"{path.parent} has no room for the restored store beside the present one, "
            "and nothing was changed: free some"
        )
    if not os.path.isdir(path.parent):
        return f"{path.parent} is no folder: make it, or change url in section [store]"
    why = error.strerror if isinstance(error, OSError) else str(error)
    return f"nothing was restored to {path.parent}, and nothing changed there: {why}"
