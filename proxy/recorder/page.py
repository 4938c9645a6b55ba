"""A page of the book: some dozens of lines, put into one block of bytes.

A line as an object of its own takes 700 bytes in a dozen places, and each has to be
fetched into the cache once more when the line is given up.  So a page has a few
lists, and a line is made of them when somebody asks, or when more is learned of it.
Compiled together with the core.
"""

import secrets
from array import array
from collections.abc import Iterator, Sequence
from typing import Final

from proxy.recorder.chunk import Taped
from proxy.recorder.line import Line
from proxy.sip.flow import Ends

_SEPARATOR: Final = secrets.token_bytes(8)
"""Stands between two values.  Nobody can guess it, so no value has it in it, and no
length has to be kept."""
_LINE: Final = 200
"""What a line takes besides what the caller wrote."""
_TEXTS: Final = 4  # method, URI, From, Call-ID
_WORDS: Final = 6  # rule, endpoint, pool, ends, front end, outcome
_NUMBERS: Final = 4  # at, seconds, status, seconds of the attempt
_MOST_OUTCOMES: Final = 256
_ENDING: Final = 60
"""What is known of an ended dialog takes besides its Call-ID."""

_outcomes: Final[dict[str, str]] = {}


class Page:
    """Lines in the order in which their requests ended; full when it is closed."""

    __slots__ = (
        "_block",
        "_cseqs",
        "_numbers",
        "_odd",
        "_open",
        "_packed",
        "_texts",
        "_words",
        "count",
        "first_at",
        "indexed",
        "size",
    )

    def __init__(self) -> None:
        self.count = 0
        self.size = 0
        self.first_at = 0.0
        self.indexed = 0
        """How many of its lines the book's index knows."""
        self._block = b""
        self._texts: list[bytes] = []
        self._words: list[object] = []
        self._numbers: list[float] = []
        self._packed: array[float] | None = None
        # Lines that were tried by no front end or by several, and lines of which more
        # is known; by their place.
        self._odd: dict[int, Sequence[tuple[str, str, float]]] | None = None
        self._open: dict[int, Line] | None = None
        # Of refused requests the CSeq line: to know their answer when it is repeated.
        self._cseqs: dict[int, bytes] | None = None

    def add(
        self,
        at: float,
        method: bytes,
        uri: bytes,
        sender: bytes,
        call_id: bytes,
        ends: Ends,
        status: int,
        seconds: float,
        rule: str,
        endpoint: str,
        pool: str,
        attempts: Sequence[tuple[str, str, float]],
    ) -> int:
        """Write a line; returns the bytes that it takes."""
        front_end, outcome, took = "", "", 0.0
        if len(attempts) == 1:
            front_end, outcome, took = attempts[0]
            outcome = _known(outcome)
        elif attempts:
            if self._odd is None:
                self._odd = {}
            self._odd[self.count] = attempts
        texts, words, numbers = self._texts, self._words, self._numbers
        texts.append(method)
        texts.append(uri)
        texts.append(sender)
        texts.append(call_id)
        words.append(rule)
        words.append(endpoint)
        words.append(pool)
        words.append(ends)
        words.append(front_end)
        words.append(outcome)
        numbers.append(at)
        numbers.append(seconds)
        numbers.append(float(status))
        numbers.append(took)
        if self.count == 0:
            self.first_at = at
        self.count += 1
        size = _LINE + len(method) + len(uri) + len(sender) + len(call_id)
        self.size += size
        return size

    def note_cseq(self, cseq: bytes) -> int:
        """Keep the CSeq line of the request written last; returns its bytes."""
        if self._cseqs is None:
            self._cseqs = {}
        self._cseqs[self.count - 1] = cseq
        self.size += len(cseq)
        return len(cseq)

    def close(self) -> None:
        """Put it into one block: nothing is added any more."""
        self._block = _SEPARATOR.join(self._texts)
        self._texts = []
        self._packed = array("d", self._numbers)
        self._numbers = []

    def call_ids(self) -> list[bytes]:
        """The Call-ID of each line."""
        return self._parts()[_TEXTS - 1 :: _TEXTS]

    def lines(self) -> list[Line]:
        """All lines."""
        parts = self._parts()
        return [self._line(place, parts) for place in range(self.count)]

    def open(self, call_id: bytes) -> Line:
        """The last line of this Call-ID, for more to be written into it."""
        parts = self._parts()
        place = self.count - 1
        while parts[place * _TEXTS + _TEXTS - 1] != call_id:
            place -= 1
        line = self._line(place, parts)
        if self._open is None:
            self._open = {}
        self._open[place] = line
        return line

    def _parts(self) -> list[bytes]:
        return self._texts or self._block.split(_SEPARATOR)

    def _line(self, place: int, parts: list[bytes]) -> Line:
        if self._open is not None and place in self._open:
            return self._open[place]
        rule, endpoint, pool, ends, front_end, outcome = self._words[
            place * _WORDS : (place + 1) * _WORDS
        ]
        numbers = self._numbers if self._packed is None else self._packed.tolist()
        at, seconds, status, took = numbers[place * _NUMBERS : (place + 1) * _NUMBERS]
        method, uri, sender, call_id = parts[place * _TEXTS : (place + 1) * _TEXTS]
        assert isinstance(ends, Ends)
        attempts: Sequence[tuple[str, str, float]] = ()
        if front_end:
            attempts = [(str(front_end), str(outcome), took)]
        elif self._odd is not None and place in self._odd:
            attempts = self._odd[place]
        line = Line(
            *(at, method, uri, sender, call_id, ends, int(status), seconds),
            *(str(rule), str(endpoint), str(pool), attempts),
        )
        line.size = _LINE + len(method) + len(uri) + len(sender) + len(call_id)
        if self._cseqs is not None and place in self._cseqs:
            line.cseq = self._cseqs[place]
            line.size += len(line.cseq)
        return line


def _known(outcome: str) -> str:
    """The same word as one object: thousands of lines say ``200``."""
    found = _outcomes.get(outcome)
    if found is not None:
        return found
    if len(_outcomes) < _MOST_OUTCOMES:
        _outcomes[outcome] = outcome
    return outcome


class Endings:
    """Dialogs that ended about one time: which, who said so, how and when."""

    __slots__ = ("_ats", "_block", "_ends", "_how", "count", "last_at", "size")

    def __init__(self, found: list[Taped], offset: float) -> None:
        """``offset`` makes wall-clock time."""
        self._block = _SEPARATOR.join([each.call_id for each in found])
        self._ends: list[Ends] = [each.ends for each in found]
        self._how: list[bytes] = [each.data for each in found]
        self._ats = array("d", [each.at + offset for each in found])
        self.count = len(found)
        self.last_at = found[-1].at + offset
        self.size = len(self._block) + _ENDING * len(found)

    def newest_first(self) -> Iterator[tuple[float, bytes, Ends, bytes]]:
        """When, the Call-ID, from whom, and ``BYE`` or ``NOTIFY``."""
        call_ids = self._block.split(_SEPARATOR)
        for place in range(self.count - 1, -1, -1):
            yield self._ats[place], call_ids[place], self._ends[place], self._how[place]
