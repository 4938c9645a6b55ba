"""What may have been meant: addresses and names that are close to what was typed.

Pure.  User and host are compared apart: the domain that all addresses share would make
any two of them look alike.
"""

from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Final

MOST: Final = 10_000
"""Candidates that are looked at."""
USER: Final = 0.7
HOST: Final = 0.8


def similar_address(typed: str, known: Iterable[str]) -> str | None:
    """The closest ``user@host`` of ``known``, if it is close; without case."""
    user, at, host = _bare(typed).partition("@")
    best: tuple[float, str] | None = None
    for candidate, _ in zip(known, range(MOST), strict=False):
        its_user, _, its_host = candidate.lower().partition("@")
        alike = _ratio(user, its_user)
        hosts = _ratio(host, its_host) if at else 1.0
        if alike < USER or hosts < HOST:
            continue
        if best is None or (alike + hosts, candidate) > best:
            best = alike + hosts, candidate
    return None if best is None else best[1]


def similar_host(typed: str, known: Iterable[str]) -> str | None:
    """The closest host name, if it is close: its first label is what counts."""
    first, _, rest = typed.lower().rstrip(".").partition(".")
    best: tuple[float, str] | None = None
    for candidate, _ in zip(known, range(MOST), strict=False):
        its_first, _, its_rest = candidate.lower().partition(".")
        alike, domains = _ratio(first, its_first), _ratio(rest, its_rest)
        if alike < USER or domains < HOST:
            continue
        if best is None or (alike + domains, candidate) > best:
            best = alike + domains, candidate
    return None if best is None else best[1]


def _bare(typed: str) -> str:
    return typed.strip().lower().removeprefix("sip:")


def _ratio(one: str, other: str) -> float:
    if one == other:
        return 1.0
    matcher = SequenceMatcher(None, one[:256], other[:256], autojunk=False)
    # Upper bounds first: the ratio itself is slow.
    if min(matcher.real_quick_ratio(), matcher.quick_ratio()) < USER:
        return 0.0
    return matcher.ratio()
