"""Move a store: everything one knows into another, compared at the end.

Idempotent: only rows that differ are written, so a move that was interrupted is
finished by the same command.  The proxies stand still meanwhile; what they write
shows up as a difference.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from proxy.admin.control import ControlError
from proxy.store.copying import SECTIONS, Rows, StoreCopy
from proxy.store.factory import open_copy

AT_ONCE: Final = 500
_MARK: Final = "store-migration"


@dataclass(frozen=True, slots=True)
class Moved:
    """One section: how many rows there are, and how many had to be written."""

    section: str
    rows: int
    written: int


Progress = Callable[[str, int, int], None]
"""What is being done, with which rows of how many."""


def _silent(what: str, done: int, rows: int) -> None:
    """Reports nothing."""


async def migrate(
    source_url: str, target_url: str, progress: Progress = _silent
) -> list[Moved]:
    """Move everything; ControlError when the target is in use, StoreError."""
    if source_url == target_url:
        raise ControlError("both are the same store: name another one to move to")
    source = await open_copy(source_url, is_source=True)
    try:
        target = await open_copy(target_url, is_source=False)
        try:
            return await _migrate(source, target, progress)
        finally:
            await target.close()
    finally:
        await source.close()


async def _migrate(
    source: StoreCopy, target: StoreCopy, progress: Progress
) -> list[Moved]:
    secret = (await source.read("meta"))[("hmac_key",)][0]
    assert isinstance(secret, bytes)
    mark = hashlib.sha256(secret).hexdigest()[:16]
    await _refuse_foreign(target, mark)
    await target.write("notes", [(_MARK, mark)])
    moved = [await _move(source, target, each, progress) for each in SECTIONS]
    for number, section in enumerate(SECTIONS):
        progress("comparing", number, len(SECTIONS))
        wanted, found = await source.read(section), await target.read(section)
        if _without_mark(wanted) != _without_mark(found):
            raise ControlError(
                f'after the move "{section}" is not the same in both: stop every '
                "proxy on either and run the command again; if it stays, begin with "
                "an empty target"
            )
    await target.write("notes", [(_MARK, "done")])
    return moved


async def _refuse_foreign(target: StoreCopy, mark: str) -> None:
    """Only an empty store, or one that this very move began to fill."""
    if (await target.read("notes")).get((_MARK,)) == (mark,):
        return
    for section in SECTIONS:
        if section != "meta" and await target.read(section):
            raise ControlError(
                f'the target has "{section}" already and would lose them: name an '
                "empty store (a new file, another database number)"
            )


async def _move(
    source: StoreCopy, target: StoreCopy, section: str, progress: Progress
) -> Moved:
    wanted = _without_mark(await source.read(section))
    found = await target.read(section)
    missing = [
        (*key, *values)
        for key, values in sorted(wanted.items(), key=lambda item: item[0])
        if found.get(key) != values
    ]
    if section in ("users", "learned_by_pool") and missing:
        # The rows of one user, or one URI, are one thing in Redis: all at once.
        await target.write(section, [(*key, *rest) for key, rest in wanted.items()])
        return Moved(section, len(wanted), len(missing))
    for at in range(0, len(missing), AT_ONCE):
        progress(section, len(wanted) - len(missing) + at, len(wanted))
        await target.write(section, missing[at : at + AT_ONCE])
    return Moved(section, len(wanted), len(missing))


def _without_mark(rows: Rows) -> Rows:
    return {key: values for key, values in rows.items() if key != (_MARK,)}
