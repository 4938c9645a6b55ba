"""The tape: every message of the last seconds.

The message path only appends references to bytes that are there (decision 98).  What a
message says is read later and for many at once, by ``look`` (a few times a second) and
``find`` (when a call is worth keeping).  A piece that is full is copied into one block
of bytes: the messages in it can go, and the next ones use memory that the caches still
hold.  The tape is bounded by bytes and by age.  Compiled together with the core.
"""

from collections.abc import Callable
from typing import Final

from proxy.recorder.chunk import Chunk, Taped, call_id_of, find_in
from proxy.sip.flow import Ends, Flow

CHUNK: Final = 256 * 1024
"""Bytes after which a piece of the tape is closed."""
SECONDS: Final = 240.0
"""How old a message may get here: older than a call can ring (RFC 3261, Timer C)."""
_EACH: Final = 120
"""What an entry takes besides its bytes."""

_S: Final = 0x53
_B: Final = 0x42
_N: Final = 0x4E
_SLASH: Final = 0x2F
_FOUR: Final = 0x34
_INVITE: Final = b" INVITE\r\n"
_ENDED: Final = b"\r\nSubscription-State: terminated"


class Tape:
    """At most ``limit`` bytes, at most ``SECONDS`` old.

    Many calls make the tape short, and an INVITE may wait for its answer for longer
    than that.  So the messages of calls that wait are carried along, in a quarter of
    the room, until they have their answer.
    """

    __slots__ = (
        "_answered",
        "_at",
        "_began",
        "_carried",
        "_carried_size",
        "_chunks",
        "_done",
        "_fresh",
        "_held",
        "_items",
        "_sights",
        "_sights_size",
        "_size",
        "filled",
        "limit",
    )

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.filled: Callable[[], None] | None = None  # told when a piece is full
        self._items: list[object] = []
        self._held = 0
        self._at = 0.0
        self._began = 0.0
        self._answered: set[bytes] = set()
        self._sights: list[Taped] = []
        self._sights_size = 0
        self._chunks: list[Chunk] = []
        self._fresh: list[Chunk] = []
        self._size = 0
        self._carried: dict[bytes, list[Taped]] = {}
        self._carried_size = 0
        self._done: list[bytes] = []

    # -- the message path --------------------------------------------------------

    def heard(self, at: float, flow: Flow, data: bytes) -> None:
        """A message came in; what is sent before the next input gets its instant."""
        held = self._held
        if held > CHUNK:
            self._fill()
            held = 0
        items = self._items
        if held == 0:
            self._began = at
        self._at = at
        ends = flow.ends
        if ends is None:
            ends = flow.both_ends()
        items.append(at)
        items.append(ends)
        items.append(data)
        size = len(data)
        self._held = held + size + _EACH
        if size > 11:
            first = data[0]
            if first in (_B, _N):
                self._note(True, ends, data)

    def unheard(self) -> None:
        """Forget the message that came in last: nothing was done with it, and nothing
        sent."""
        data = self._items.pop()
        assert isinstance(data, bytes)
        self._items.pop()
        self._items.pop()
        self._held -= len(data) + _EACH
        if self._sights and self._sights[-1].data is data:
            self._sights.pop()
            self._sights_size -= len(data)

    def woke(self, at: float) -> None:
        """The core had another input than a message, such as a timer."""
        held = self._held
        if held > CHUNK:
            self._fill()
            held = 0
        items = self._items
        if held == 0:
            self._began = at
        self._at = at
        items.append(at)
        items.append(None)
        items.append(b"")
        self._held = held + _EACH

    def sent(self, flow: Flow, data: bytes) -> None:
        """A message went out."""
        items = self._items
        if self._held == 0:
            return  # no input has given it an instant
        ends = flow.ends
        if ends is None:
            ends = flow.both_ends()
        items.append(ends)
        items.append(data)
        size = len(data)
        self._held += size + _EACH
        if size > 11 and data[8] >= _FOUR and data[0] == _S and data[3] == _SLASH:
            self._note(False, ends, data)

    def answered(self, call_id: bytes) -> None:
        """The INVITE of this call has had its final answer."""
        self._answered.add(call_id)

    def _note(self, is_in: bool, ends: Ends, data: bytes) -> None:
        """Put a message aside for ``look``, up to a quarter of the tape's limit."""
        if is_in and not (data.startswith(b"BYE ") or data.startswith(b"NOTIFY ")):
            return
        self._sights_size += len(data)
        if self._sights_size < self.limit // 4:
            self._sights.append(Taped(self._at, is_in, ends, data, b""))

    # -- reading it --------------------------------------------------------------

    @property
    def size(self) -> int:
        """Bytes that the tape holds."""
        return self._size + self._held + self._carried_size

    def look(self, now: float) -> list[Taped]:
        """What came since the last look and is worth reading: final answers of 400 and
        more that we sent, and what ends a dialog."""
        found: list[Taped] = []
        for sight in self._sights:
            data = sight.data
            if sight.is_in and data[0] == _N and data.find(_ENDED) < 0:
                continue
            sight.call_id = call_id_of(data)
            if not sight.is_in and data.find(_INVITE) >= 0:
                self._answered.add(sight.call_id)
            found.append(sight)
        self._sights = []
        self._sights_size = 0
        self._turn()
        # Only now: the last look saw their answers, and could still want these calls.
        for call_id in self._done:
            self._put_down(call_id)
        self._done = []
        if self._carried:
            for chunk in self._fresh:
                self._done += [x for x in chunk.answered if x in self._carried]
        self._drop(now)
        return found

    def forget_fresh(self) -> None:
        """All that is new has been read."""
        self._fresh = []

    def find(
        self,
        wanted: set[bytes],
        *,
        fresh: bool = False,
        stale: bool = False,
        since: float = 0.0,
    ) -> list[Taped]:
        """Every message of these calls, in order; ``fresh``: since the last look,
        ``stale``: before that.  What is before ``since`` need not be looked for."""
        found: list[Taped] = []
        if self._carried and not fresh:
            for call_id in wanted:
                found += self._carried.get(call_id, [])
        chunks = self._fresh if fresh else self._chunks
        first = 0
        while first + 1 < len(chunks) and chunks[first + 1].began <= since:
            first += 1
        for chunk in chunks[first:]:
            if not (stale and chunk in self._fresh):
                find_in(chunk.items(), wanted, found)
        return found

    def reach(self, since: float, most: int) -> tuple[float, int]:
        """From when on to read, and how many bytes that is: from ``since``, or from
        later when that would be more than about ``most`` bytes."""
        size, place = 0, len(self._chunks)
        while place > 0:
            chunk = self._chunks[place - 1]
            if size and size + chunk.size > most:
                return max(since, self._chunks[place].began), size
            size += chunk.size
            place -= 1
            if chunk.began <= since:
                break
        return since, size

    def pending(self, wanted: set[bytes]) -> list[Taped]:
        """The same in the piece that is not closed yet."""
        found: list[Taped] = []
        find_in(self._items, wanted, found)
        return found

    def all_fresh(self) -> list[Taped]:
        """Every message since the last look."""
        found: list[Taped] = []
        for chunk in self._fresh:
            find_in(chunk.items(), None, found)
        return found

    def _fill(self) -> None:
        self._turn()
        if self.filled is not None:
            self.filled()

    def _turn(self) -> None:
        if not self._items:
            return
        chunk = Chunk(self._items, self._held, self._began, self._answered)
        self._chunks.append(chunk)
        self._fresh.append(chunk)
        self._size += chunk.size
        self._items = []
        self._answered = set()
        self._held = 0
        self._shrink()

    def _shrink(self) -> None:
        gone = 0
        most = self.limit - self.limit // 4
        while self._size > most and gone < len(self._chunks):
            self._size -= self._chunks[gone].size
            gone += 1
        if gone:
            lost = self._chunks[:gone]
            del self._chunks[:gone]
            for chunk in lost:
                self._carry(chunk)
            self._fresh = [each for each in self._fresh if each not in lost]

    def _carry(self, chunk: Chunk) -> None:
        """Save the messages of calls without a final answer from a lost piece."""
        asked = chunk.asked
        waiting = {x for x in self._carried if x not in chunk.answered}
        waiting |= asked.keys()
        for later in self._chunks:
            if not waiting:
                return
            waiting -= later.answered
        # An INVITE inside a dialog has no access record to tell of its answer.
        waiting -= {x for x in waiting if asked.get(x, False)}
        if not waiting:
            return
        found: list[Taped] = []
        find_in(chunk.items(), waiting, found)
        for taped in found:
            self._carried.setdefault(taped.call_id, []).append(taped)
            self._carried_size += len(taped.data) + _EACH
        while self._carried_size > self.limit // 4:
            self._put_down(next(iter(self._carried)))

    def _put_down(self, call_id: bytes) -> None:
        for taped in self._carried.pop(call_id, []):
            self._carried_size -= len(taped.data) + _EACH

    def _drop(self, now: float) -> None:
        gone = 0
        # A chunk begins before its neighbour, so the next one tells when it ended.
        while gone + 1 < len(self._chunks) and (
            self._chunks[gone + 1].began < now - SECONDS
        ):
            self._size -= self._chunks[gone].size
            gone += 1
        if gone:
            del self._chunks[:gone]
        if len(self._chunks) == 1 and self._chunks[0].began < now - SECONDS:
            self._size = 0
            self._chunks = []
