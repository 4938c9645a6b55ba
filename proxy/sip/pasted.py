"""Characters that look like ASCII ones, or like nothing, and are neither.

Word processors, web pages and chats put them into what people paste: no-break spaces,
typographic quotes and dashes, byte order marks.  Commands, configurations and plans
name them; signalling never comes here.
"""

import re
from collections.abc import Callable
from typing import Final

DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
SINGLE_QUOTES: Final = "\u2018\u2019\u201a\u201b"
DOUBLE_QUOTES: Final = "\u201c\u201d\u201e\u201f"
_SPACES: Final = (
    "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u202f\u205f\u3000"
)
_NOTHING: Final = (
    "\u00ad\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e"
    "\u2060"
)
MARK: Final = "\ufeff"

_SORTS: Final = (
    (DASHES, "a typographic dash", 'type an ordinary hyphen, "-"'),
    (SINGLE_QUOTES, "a typographic quote", "type an ordinary one, '"),
    (DOUBLE_QUOTES, "a typographic quote", 'type an ordinary one, "'),
    (_SPACES, "a no-break or wide space", "type an ordinary space, or none"),
    (MARK, "a byte order mark", "delete it"),
    (_NOTHING, "an invisible character", "delete it"),
)
_ALL: Final = frozenset("".join(characters for characters, _, _ in _SORTS))


def first_pasted(text: str) -> str:
    """The first such character of a text; empty when there is none."""
    if text.isascii():
        return ""
    return next((character for character in text if character in _ALL), "")


def pasted_note(text: str) -> str:
    """Which one stands in a text and what to do, as a clause; empty for none."""
    character = first_pasted(text)
    for characters, name, advice in _SORTS:
        if character and character in characters:
            shown = f" {character}" if character.isprintable() else ""
            return f"it holds {name}{shown} (U+{ord(character):04X}): {advice}"
    return ""


def plain_punctuation(text: str) -> str:
    """A text with ordinary dashes and quotes, as PowerShell reads what is pasted."""
    if text.isascii():
        return text
    return text.translate(_PLAIN)


_PLAIN: Final = {
    **dict.fromkeys(map(ord, DASHES), "-"),
    **dict.fromkeys(map(ord, SINGLE_QUOTES), "'"),
    **dict.fromkeys(map(ord, DOUBLE_QUOTES), '"'),
    **dict.fromkeys(map(ord, _SPACES), " "),
    **dict.fromkeys(map(ord, MARK), ""),
}


_PLACE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)\Z")
_QUOTED: Final = re.compile(r"\"[^\"]*\"|'[^']*'|#.*")


def toml_mistake(
    text: str, error: Exception, hide: Callable[[str], str] = str
) -> tuple[int, str]:
    """The line and the sentence for what ``tomllib`` refuses.

    ``hide`` takes secrets out of the line that is shown.
    """
    what = str(error)
    place = _PLACE.search(what)
    what = what[: place.start()] if place else what
    lines = text.split("\n")
    line = int(place[1]) if place and place[1] else len(lines)
    source = lines[line - 1] if line <= len(lines) else ""
    # A terminal must not obey what stands in the line.
    plain = "".join(x if x.isprintable() or x == "\t" else "\ufffd" for x in source)
    shown = hide(plain.strip())[:100]
    at = source[int(place[2]) - 1 :][:1] if place and place[2] else ""
    # Inside quotes and comments such characters may be meant.
    note = pasted_note(first_pasted(at) or first_pasted(_QUOTED.sub("", source)))
    if note:
        return line, f"not TOML: {note}"
    hint = f" in `{shown}`" if shown else ""
    return line, (
        f"not TOML: {what}{hint}. Texts need quotes, lists brackets: "
        'key = "text", key = ["a", "b"]'
    )
