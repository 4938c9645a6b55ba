"""Edits a parameter list with the grammar that reads it (``grammar.parse_parameters``).

A separate expression for ``;name=`` could end a value elsewhere than the parser does,
and leave something that is no parameter list any more.
"""

from collections.abc import Collection

from proxy.sip.grammar import PARAMETER, QUOTE, SEMICOLON, SPACE, TAB


def split_parameters(text: bytes) -> list[tuple[str, bytes]] | None:
    """The parameters in order: lower-case name, and ``;name=value`` as it was written.

    Joined they give ``text`` without the white space at its end.  None when it is no
    parameter list, as with ``parse_parameters``.
    """
    found: list[tuple[str, bytes]] = []
    if QUOTE not in text and SPACE not in text and TAB not in text:
        if text and text[0] != SEMICOLON:
            return None
        for part in text[1:].split(b";") if text else ():
            name = part.partition(b"=")[0]
            if not name:
                return None
            found.append((name.decode("latin-1").lower(), b";" + part))
        return found
    stripped = text.rstrip()
    position = 0
    while position < len(stripped):
        match = PARAMETER.match(stripped, position)
        if match is None:
            return None
        found.append((match[1].decode("latin-1").lower(), match[0]))
        position = match.end()
    return found


def without(text: bytes, names: Collection[str]) -> bytes:
    """``text`` without any parameter of these names."""
    found = split_parameters(text)
    if found is None or not any(name in names for name, _ in found):
        return text
    return b"".join(piece for name, piece in found if name not in names).rstrip()


def with_value(text: bytes, name: str, value: bytes) -> bytes:
    """``text`` with exactly one parameter ``name``, which has this value.

    It stands where the first one stood, or else at the end.
    """
    found = split_parameters(text)
    if found is None:
        return text
    pieces = []
    is_there = False
    for each, piece in found:
        if each != name:
            pieces.append(piece)
        elif not is_there:
            is_there = True
            written = piece.partition(b"=")[0].rstrip()
            blanks = piece[len(piece.rstrip()) :]
            pieces.append(b"%b=%b%b" % (written, value, blanks))
    if not is_there:
        pieces.append(b";%b=%b" % (name.encode(), value))
    return b"".join(pieces).rstrip()
