"""The languages of the pages: catalogues of gettext, read when the console starts.

English is what the code says.  Every other language is a file ``it.po`` in
``catalogues``; one more file is one more language.  Babel reads them as they are, so
that nothing has to be compiled when the package is built.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from typing import Any, Final

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

ENGLISH: Final = "en"
COOKIE: Final = "waypost_language"


def N_(text: str) -> str:
    """Marks a text for the catalogues; it is translated where it is shown."""
    return text


@dataclass(frozen=True, slots=True)
class Words:
    """One language."""

    code: str
    texts: NullTranslations

    @property
    def name(self) -> str:
        """What the language calls itself."""
        own = Locale.parse(self.code).get_display_name(self.code)
        return (own or self.code).capitalize()

    def say(self, text: str, /, **values: Any) -> str:
        """A text of ours in this language, its places filled."""
        found = self.texts.gettext(text) if text else ""
        return found % values if values else found


def languages() -> dict[str, Words]:
    """Every language there is, by its code; English first."""
    found = {ENGLISH: Words(ENGLISH, NullTranslations())}
    folder = files("proxy.console.pages") / "catalogues"
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        code, dot, ending = file.name.partition(".")
        if dot and ending == "po":
            found[code] = Words(code, _read(file.read_bytes(), code))
    return found


@cache
def _read(data: bytes, code: str) -> GNUTranslations:
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(data), locale=code))
    compiled.seek(0)
    return GNUTranslations(compiled)


def choose(known: Mapping[str, Words], wanted: str, accepted: str) -> Words:
    """The language that somebody chose, else one that the browser names, else English.

    ``accepted`` is Accept-Language (RFC 9110 section 12.5.4).
    """
    if wanted in known:
        return known[wanted]
    for code in _by_weight(accepted[:200]):
        if code in known:
            return known[code]
    return known[ENGLISH]


def _by_weight(accepted: str) -> list[str]:
    found: list[tuple[float, str]] = []
    for each in accepted.split(","):
        tag, _, more = each.strip().partition(";")
        weight = more.strip().removeprefix("q=") or "1"
        try:
            found.append((float(weight), tag.partition("-")[0].lower()))
        except ValueError:
            continue
    return [code for _, code in sorted(found, key=lambda x: -x[0])]
