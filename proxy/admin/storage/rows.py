"""Every row of one end of a copy into the other, compared section by section."""

from typing import Final

from proxy.admin.control import ControlError
from proxy.store.copying import SECTIONS, StoreCopy
from proxy.store.sqlite.contents import Progress

AT_ONCE: Final = 500
_WHOLE: Final = ("users", "learned_by_pool")
"""The rows of one user, or one URI, are one thing in Redis: all at once."""


async def copy_rows(source: StoreCopy, target: StoreCopy, progress: Progress) -> None:
    """Fill an empty target; raises ControlError when something arrived differently."""
    for section in SECTIONS:
        rows = await source.read(section)
        whole = [(*key, *rest) for key, rest in sorted(rows.items())]
        size = len(whole) or 1 if section in _WHOLE else AT_ONCE
        for at in range(0, len(whole), size):
            progress(section, at, len(whole))
            await target.write(section, whole[at : at + size])
        if await target.read(section) != rows:
            raise ControlError(f'"{section}" did not arrive whole: try again')
