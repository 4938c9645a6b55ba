"""A message cut into its lines and its body, when it is plainly in order.

Every message is cut, so there is a C function beside it that looks at each byte once
(``scanner.c``).  ``cut_plainly`` is the definition: it serves where nothing could be
compiled, and tests hold the two equal.
"""

from collections.abc import Callable
from typing import Final

from proxy.sip.grammar import is_visible

Cut = Callable[[bytes, int], tuple[list[bytes], bytes] | None]

MOST: Final = 512
"""Lines of a head that is still plain, whatever the limits say."""


def cut_plainly(data: bytes, most: int) -> tuple[list[bytes], bytes] | None:
    """The lines of the head and the body.

    None when there is no empty line, when there are more than ``most`` lines, or a
    control character in one of them: whoever cuts at that one sees another message.
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
