"""Cells of CSV that clients wrote: none may become a formula."""

import re
from typing import Final

_UNSAFE: Final = tuple("=+-@\t\r\n;,|＝＋－＠")
_FORMULA: Final = re.compile(r"([;,])(?=[ \"']*+[=+\-@|＝＋－＠])")


def plain_cell(text: str) -> str:
    """No cell that a spreadsheet would take for a formula.

    Where lists are written with ``;`` a spreadsheet splits cells there as well.
    """
    return _FORMULA.sub(r"\1'", f"'{text}" if text[:1] in _UNSAFE else text)
