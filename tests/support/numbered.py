"""The decisions of docs/decisions.md by number, and who cites one."""

import re
from collections.abc import Iterator
from pathlib import Path

_HEADING = re.compile(r"^## (?:(\d+)\. )?(.+)$", re.MULTILINE)
_CITED = re.compile(r"\b[Dd]ecisions? (\d+)(?:(?:,| and|,\s*and)\s+(\d+))*")


def decisions(page: str) -> list[tuple[int | None, str]]:
    """Number and title of every decision, in order; None for one without a number."""
    return [(int(n) if n else None, title) for n, title in _HEADING.findall(page)]


def faults(found: list[tuple[int | None, str]]) -> list[str]:
    """What is wrong with the numbers, and what to write."""
    used = [number for number, _ in found if number is not None]
    free = max(used, default=0) + 1
    wrong = [f'write "## {free}. {title}"' for number, title in found if not number]
    wrong += [
        f'{number} is taken, write "## {free}. {title}"'
        for place, (number, title) in enumerate(found)
        if number and number in (each for each, _ in found[:place])
    ]
    return wrong


def cited(paths: list[Path]) -> Iterator[tuple[Path, int]]:
    """Every "decision 12" of some files."""
    for path in paths:
        for found in _CITED.finditer(path.read_text("utf-8")):
            yield from ((path, int(each)) for each in re.findall(r"\d+", found[0]))
