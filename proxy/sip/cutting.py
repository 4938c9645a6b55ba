"""Cuts a message into its lines and its body, when it is plainly in order.

Every message passes here, so ``scanner.c`` does the same in C with one look at each
byte (decision 146).  ``cut_plainly`` is the definition: it serves where nothing was
compiled, and tests hold the two equal.
"""

from collections.abc import Callable
from typing import Final

from proxy.sip.grammar import is_visible

Cut = Callable[[bytes, int], tuple[list[bytes], bytes] | None]

MOST: Final = 512
"""Lines that a plain head may have, whatever the limits say: ``scanner.c`` has room for
so many."""


def cut_plainly(data: bytes, most: int) -> tuple[list[bytes], bytes] | None:
    """The lines of the head, and the body.

    None when there is no empty line, when there are more than ``most`` lines, or when a
    line has a control character: a server that ends lines there (a bare CR or LF, say)
    would read another message than we do.
    """
    most = min(most, MOST)
    head, end, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n", most)
    if not end or len(lines) > most or not is_visible(lines):
        return None
    return lines, body


def _scanner() -> Cut | None:
    try:
        from proxy.sip import scanner
    except ImportError:
        return None
    return scanner.cut


cut: Final[Cut] = _scanner() or cut_plainly
