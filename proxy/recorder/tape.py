"""The tape: every message of the last seconds.

The message path only appends references to bytes that are there (decision 98).  What a
message says is read later and for many at once, by ``look`` (a few times a second) and
``find`` (when a call is worth keeping).  A piece that is full is copied into one block
of bytes while the caches still hold it: the messages in it can go, and the next ones
use their memory.  The tape is bounded by bytes and by age.  Compiled together with the
core.
"""

from collections.abc import Callable
from typing import Final

from proxy.recorder.chunk import Chunk, Taped, call_id_of, find_in
from proxy.sip.flow import Ends, Flow

PIECE: Final = 48 * 1024
"""Bytes after which a piece of the tape is closed.  So much is held in objects of their
own, and what is to be read of it later should be in the cache still."""
CHUNK: Final = 256 * 1024
"""Bytes after which a look is asked for."""
SECONDS: Final = 240.0
"""How old a message may get here: older than a call can ring (RFC 3261, Timer C)."""
GRAIN: Final = 0.0005
"""Seconds: an instant is written down when the last one is longer ago than this."""
_EACH: Final = 120
"""What an entry takes besides its bytes."""

_S: Final = 0x53
_B: Final = 0x42
_I: Final = 0x49
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
        "_asked",
        "_at",
        "_began",
        "_carried",
        "_carried_size",
        "_chunks",
        "_data",
        "_done",
        "_early",
        "_endings",
        "_failures",
        "_failures_size",
        "_fresh",
        "_held",
        "_last",
        "_marked",
        "_marks",
        "_partings",
        "_serial",
        "_size",
        "_unseen",
        "_waiting",
        "filled",
        "limit",
    )

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.filled: Callable[[], None] | None = None  # told when there is much
        # The piece that is open: ends or instant of each entry, and its bytes.
        self._marks: list[object] = []
        self._data: list[bytes] = []
        self._held = 0
        self._at = -1.0
        self._marked = -1.0
        self._began = 0.0
        # What in it is to be read when it is closed.
        self._asked: list[bytes] = []
        self._partings: list[Taped] = []
        self._failures: list[Taped] = []
        self._failures_size = 0
        self._endings: list[Taped] = []
        # The closed ones.
        self._serial = 0
        self._chunks: list[Chunk] = []
        self._fresh: list[Chunk] = []
        self._unseen = 0
        self._size = 0
        # INVITEs without a final answer: the piece in which each is, by Call-ID.
        self._waiting: dict[bytes, int] = {}
        self._early: set[bytes] = set()
        self._carried: dict[bytes, list[Taped]] = {}
        self._carried_size = 0
        self._answered: list[bytes] = []
        self._done: list[bytes] = []

    # -- the message path --------------------------------------------------------

    def heard(self, at: float, flow: Flow, data: bytes) -> None:
        """A message came in; what is sent before the next input gets its instant."""
        if self._held > PIECE:
            self._fill()
        self._at = at
        if at - self._marked > GRAIN:
            self._mark(at)
        ends = flow.ends
        if ends is None:
            ends = flow.both_ends()
        self._marks.append(ends)
        self._data.append(data)
        size = len(data)
        self._held += size + _EACH
        if size > 11:
            first = data[0]
            if first in (_B, _N):
                self._note_parting(ends, data)
            elif first == _I and data.startswith(b"INVITE "):
                self._asked.append(data)

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
        if self._held > PIECE:
            self._fill()
        self._at = at

    def sent(self, flow: Flow, data: bytes) -> None:
        """A message went out."""
        at = self._at
        if at - self._marked > GRAIN:
            self._mark(at)
        elif at < 0.0:
            return  # no input has given it an instant
        ends = flow.ends
        if ends is None:
            ends = flow.both_ends()
        self._marks.append(ends.outward)
        self._data.append(data)
        size = len(data)
        self._held += size + _EACH
        if size > 11 and data[8] >= _FOUR and data[0] == _S and data[3] == _SLASH:
            self._note_failure(ends, data)

    def answered(self, call_id: bytes) -> None:
        """The INVITE of this call has had its final answer."""
        if call_id in self._waiting:
            del self._waiting[call_id]
        else:
            self._early.add(call_id)
        if self._carried and call_id in self._carried:
            self._answered.append(call_id)

    def _mark(self, at: float) -> None:
        if not self._marks:
            self._began = at
        self._marked = at
        self._marks.append(at)
        self._data.append(b"")
        self._held += _EACH

    def _note_parting(self, ends: Ends, data: bytes) -> None:
        """Put aside what may end a dialog, until the piece is closed."""
        if data.startswith(b"BYE ") or data.startswith(b"NOTIFY "):
            self._partings.append(Taped(self._at, True, ends, data, b""))

    def _note_failure(self, ends: Ends, data: bytes) -> None:
        """Put a failure aside for ``look``, up to a quarter of the tape's limit."""
        self._failures_size += len(data)
        if self._failures_size < self.limit // 4:
            self._failures.append(Taped(self._at, False, ends, data, b""))

    # -- reading it --------------------------------------------------------------

    @property
    def size(self) -> int:
        """Bytes that the tape holds."""
        return self._size + self._held + self._carried_size

    def look(self, now: float) -> list[Taped]:
        """The final answers of 400 and more that we have sent since the last look."""
        found, self._failures, self._failures_size = self._failures, [], 0
        for each in found:
            each.call_id = call_id_of(each.data)
            if each.data.find(_INVITE) >= 0:
                self.answered(each.call_id)
        self._turn()
        self._unseen = 0
        # Only now: the last look saw their answers, and could still want these calls.
        for call_id in self._done:
            self._put_down(call_id)
        self._done, self._answered = self._answered, []
        self._drop(now)
        return found

    def endings(self) -> list[Taped]:
        """What has ended a dialog since the last time; of each only its method."""
        found, self._endings = self._endings, []
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
        first, last = 0, len(chunks)
        while first + 1 < last and chunks[first + 1].began <= since:
            first += 1
        if stale:
            last -= len(self._fresh)
        for chunk in chunks[first:last]:
            chunk.find(wanted, found)
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
        find_in(self._marks, self._data, wanted, found)
        return found

    def all_fresh(self) -> list[Taped]:
        """Every message since the last look."""
        found: list[Taped] = []
        for chunk in self._fresh:
            chunk.find(None, found)
        return found

    # -- closing a piece, and giving old ones up -----------------------------------

    def _fill(self) -> None:
        self._turn()
        if self._unseen > CHUNK:
            self._unseen = 0
            if self.filled is not None:
                self.filled()

    def _turn(self) -> None:
        if not self._marks:
            return
        self._serial += 1
        size = self._held + self._read_asked()
        self._read_partings()
        chunk = Chunk(self._serial, self._began, self._marks, self._data, size)
        self._chunks.append(chunk)
        self._fresh.append(chunk)
        self._size += size
        self._unseen += size
        self._marks, self._data = [], []
        self._held = 0
        self._marked = -1.0
        self._shrink()

    def _read_asked(self) -> int:
        """Note which INVITEs wait for their answer; returns the bytes of the notes."""
        size = 0
        for data in self._asked:
            call_id = call_id_of(data)
            if call_id not in self._early and call_id not in self._waiting:
                self._waiting[call_id] = self._serial
                size += _EACH + len(call_id)
        self._asked = []
        if self._early:
            self._early = set()
        return size

    def _read_partings(self) -> None:
        for each in self._partings:
            data = each.data
            if data[0] == _B:
                each.data = b"BYE"
            elif data.find(_ENDED) >= 0:
                each.data = b"NOTIFY"
            else:
                continue
            each.call_id = call_id_of(data)
            self._endings.append(each)
        self._partings = []

    def _shrink(self) -> None:
        gone = 0
        most = self.limit - self.limit // 4
        while self._size > most and gone < len(self._chunks):
            self._size -= self._chunks[gone].size
            gone += 1
        if gone:
            lost = self._forget(gone)
            for chunk in lost:
                self._carry(chunk)

    def _forget(self, count: int) -> list[Chunk]:
        """Take the oldest pieces off the tape."""
        lost = self._chunks[:count]
        del self._chunks[:count]
        kept = len(self._chunks)
        if len(self._fresh) > kept:
            self._fresh = self._fresh[len(self._fresh) - kept :]
        return lost

    def _carry(self, chunk: Chunk) -> None:
        """Save the messages of calls without a final answer from a lost piece."""
        late = self._late(chunk.serial)
        if not late and not self._carried:
            return
        found: list[Taped] = []
        chunk.find(late | self._carried.keys(), found)
        # An INVITE inside a dialog has no access record to tell of its answer.
        new = {x.call_id for x in found if x.is_in and x.begins_dialog}
        for taped in found:
            if taped.call_id in new or taped.call_id in self._carried:
                self._carried.setdefault(taped.call_id, []).append(taped)
                self._carried_size += len(taped.data) + _EACH
        while self._carried_size > self.limit // 4:
            self._put_down(next(iter(self._carried)))

    def _late(self, serial: int) -> set[bytes]:
        """Calls whose INVITE is in this piece, or an older one, without an answer."""
        late: set[bytes] = set()
        for call_id, asked_in in self._waiting.items():
            if asked_in > serial:
                break
            late.add(call_id)
        for call_id in late:
            del self._waiting[call_id]
        return late

    def _put_down(self, call_id: bytes) -> None:
        for taped in self._carried.pop(call_id, []):
            self._carried_size -= len(taped.data) + _EACH

    def _drop(self, now: float) -> None:
        chunks, gone = self._chunks, 0
        # A chunk begins before its neighbour, so the next one tells when it ended.
        while gone + 1 < len(chunks) and chunks[gone + 1].began < now - SECONDS:
            gone += 1
        if gone + 1 == len(chunks) and chunks[gone].began < now - SECONDS:
            gone += 1
        if gone:
            lost = self._forget(gone)
            for chunk in lost:
                self._size -= chunk.size
            self._late(lost[-1].serial)
