"""Sentences of the rest of the program, recognised and said in the reader's language.

A verb, the doctor and the runbook say each sentence once, in English, with names and
numbers in its places.  ``refusals`` and ``findings`` have the most usual ones as texts
of the catalogues; here a sentence is compared with these (decision 140).  A sentence
that fits none stays as it is, and is marked as English.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from proxy.console.pages.wording import borrowed, findings, refusals
from proxy.console.pages.words import ENGLISH, Words

LONGEST: Final = 2000
"""Characters of a sentence that is looked at: strangers have a say in some of them."""
DEEPEST: Final = 3
"""Sentences that stand inside one another."""
_PLACE: Final = re.compile(r"%\((\w+)\)s")
_LETTERS: Final = re.compile(r"[^\W\d_]{2}")
_SAID: Final = "said"
"""A place whose name begins with this holds a sentence of its own."""


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence as it is shown; ``lang`` is that of one in another language."""

    text: str
    lang: str = ""


@dataclass(frozen=True, slots=True)
class _Known:
    """A text of the catalogues: what stands before, between and after its places."""

    text: str
    parts: tuple[str, ...]
    names: tuple[str, ...]

    def values(self, sentence: str) -> dict[str, str] | None:
        """What stands in the places; None when the sentence is another one.

        Each part is looked for once, so it takes as long as the sentence is.
        """
        first, *rest = self.parts
        if not sentence.startswith(first) or not sentence.endswith(self.parts[-1]):
            return None
        at, end = len(first), len(sentence) - len(self.parts[-1])
        if not rest:
            return {} if sentence == first else None
        found = []
        for part in rest[:-1]:
            place = sentence.find(part, at, end)
            if place < 0:
                return None
            found.append(sentence[at:place])
            at = place + len(part)
        if at > end:
            return None
        found.append(sentence[at:end])
        return dict(zip(self.names, found, strict=True))


def _known(text: str) -> _Known:
    pieces = _PLACE.split(text)
    parts = pieces[::2]
    # A text without places is never formatted, so its per cent signs stand alone.
    if len(parts) > 1:
        parts = [each.replace("%%", "%") for each in parts]
    return _Known(text, tuple(parts), tuple(pieces[1::2]))


SENTENCES: Final = (
    *(*refusals.REFUSALS, *refusals.SERVICE),
    *(*findings.DOCTOR, *findings.STEPS_SEEN, *findings.FACTS),
)
_WORDS: Final = frozenset((*borrowed.ACCESS, *borrowed.VERDICTS))
_TEMPLATES: Final = sorted(
    map(_known, SENTENCES), key=lambda each: -sum(map(len, each.parts))
)
"""The most exact one first."""


@lru_cache(maxsize=2048)
def _heard(sentence: str) -> tuple[str, dict[str, str]] | None:
    for each in _TEMPLATES:
        values = each.values(sentence)
        if values is not None:
            return each.text, values
    return None


def told(spoken: Words, sentence: str, deep: int = 0) -> Told:
    """A sentence in the reader's language where the catalogue has it."""
    if spoken.code == ENGLISH or not _LETTERS.search(sentence):
        return Told(sentence)
    if sentence in _WORDS:
        return Told(spoken.say(sentence))
    found = _heard(sentence) if len(sentence) <= LONGEST and deep < DEEPEST else None
    if found is None:
        return Told(sentence, ENGLISH)
    text, values = found
    shown = {
        name: told(spoken, value, deep + 1).text if name.startswith(_SAID) else value
        for name, value in values.items()
    }
    return Told(spoken.say(text, **shown))
