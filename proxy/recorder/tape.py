"""The tape: every message of the last seconds.

The message path copies the bytes of a message into memory that is used again and again,
and notes nothing but from where it came or where it went (decision 98).  It does not
hold the message itself: a thousand messages that live a little longer cost the memory
of the whole path its order, and that was ten times what copying costs.  What a message
says is read when a call is worth keeping.  The tape is bounded by bytes and by age.
Compiled together with the core.
"""

from collections.abc import Callable
from typing import Final

from proxy.recorder.chunk import Chunk, Segment, Taped, call_id_of
from proxy.sip.flow import Ends, Flow

CHUNK: Final = 256 * 1024
"""Bytes of a segment; with one that is full a piece of the tape ends."""
SECONDS: Final = 240.0
"""How old a message may get here: older than a call can ring (RFC 3261, Timer C)."""
GRAIN: Final = 0.0005
"""Seconds: an instant is written down when the last one is longer ago than this."""
_EACH: Final = 64
"""What an entry takes besides its bytes."""
_NOTE: Final = 160
"""What the note takes that a call waits, besides its Call-ID; and a kept message."""

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
        "_at",
        "_began",
        "_carried",
        "_carried_size",
        "_chunks",
        "_done",
        "_endings",
        "_failures",
        "_fresh",
        "_held",
        "_marked",
        "_marks",
        "_noted",
        "_noted_at",
        "_place",
        "_seen_size",
        "_segment",
        "_serial",
        "_size",
        "_sizes",
        "_spare",
        "_start",
        "_waiting",
        "_write",
        "filled",
        "limit",
    )

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.filled: Callable[[], None] | None = None  # told when there is much
        # The piece that is open: marks and sizes as in a closed one.
        self._segment = Segment(CHUNK)
        self._write = self._segment.write
        self._spare: Segment | None = None
        self._start = 0
        self._place = 0
        self._marks: list[object] = []
        self._sizes: list[int] = []
        self._held = 0
        self._at = -1.0
        self._marked = -1.0
        self._began = 0.0
        # What was seen since the last look.
        self._endings: list[Taped] = []
        self._noted, self._noted_at = b"", -1  # for ``unheard``: what, and where
        self._failures: list[Taped] = []
        self._seen_size = 0  # bytes of both; more than a quarter is not kept
        # The closed pieces.
        self._serial = 1
        self._chunks: list[Chunk] = []
        self._fresh: list[Chunk] = []
        self._size = 0
        # INVITEs without a final answer: the piece in which each is, by Call-ID.
        self._waiting: dict[bytes, int] = {}
        self._carried: dict[bytes, list[Taped]] = {}
        self._carried_size = 0
        self._answered: list[bytes] = []
        self._done: list[bytes] = []

    # -- the message path --------------------------------------------------------

    def heard(self, at: float, flow: Flow, data: bytes) -> None:
        """A message came in; what is sent before the next input gets its instant."""
        if self._place > CHUNK:
            self._fill()
        self._at = at
        if at - self._marked > GRAIN:
            self._mark(at)
        ends = flow.ends
        if ends is None:
            ends = flow.both_ends()
        size = len(data)
        self._write(data)
        self._marks.append(ends)
        self._sizes.append(size)
        self._place += size
        self._held += size + _EACH
        if size > 11:
            first = data[0]
            if first in (_B, _I, _N):
                self._note(ends, data)

    def unheard(self) -> None:
        """Forget the message that came in last: nothing was done with it, and nothing
        sent."""
        size = self._sizes.pop()
        self._marks.pop()
        self._held -= size + _EACH
        if self._marks and isinstance(self._marks[-1], float):
            self._marks.pop()
            self._held -= _EACH
            self._marked = -1.0
        if self._noted_at == self._place:
            # It was an INVITE, or ended a dialog.
            self._noted_at = -1
            if self._noted in self._waiting:
                del self._waiting[self._noted]
                self._held -= _NOTE + len(self._noted)
            else:
                self._seen_size -= _NOTE + len(self._endings.pop().call_id)
        self._place -= size
        self._segment.rewind(self._place)

    def woke(self, at: float) -> None:
        """The core had another input than a message, such as a timer."""
        if self._place > CHUNK:
            self._fill()
        self._at = at

    def sent(self, flow: Flow, data: bytes) -> None:
        """A message went out."""
        if self._place > CHUNK:
            self._fill()
        at = self._at
        if at - self._marked > GRAIN:
            self._mark(at)
        elif at < 0.0:
            return  # no input has given it an instant
        ends = flow.ends
        if ends is None:
            ends = flow.both_ends()
        size = len(data)
        self._write(data)
        self._marks.append(ends.outward)
        self._sizes.append(size)
        self._place += size
        self._held += size + _EACH
        if size > 11 and data[8] >= _FOUR and data[0] == _S and data[3] == _SLASH:
            self._seen_size += size + _NOTE
            if self._seen_size < self.limit // 4:
                self._failures.append(Taped(at, False, ends, data, b""))

    def answered(self, call_id: bytes) -> None:
        """The INVITE of this call has had its final answer."""
        if call_id in self._waiting:
            del self._waiting[call_id]
        if self._carried and call_id in self._carried:
            self._answered.append(call_id)

    def _mark(self, at: float) -> None:
        if not self._marks:
            self._began = at
        self._marked = at
        self._marks.append(at)
        self._held += _EACH

    def _note(self, ends: Ends, data: bytes) -> None:
        """Note which calls wait for an answer, and what ends a dialog."""
        if data.startswith(b"INVITE "):
            call_id = call_id_of(data)
            if call_id and call_id not in self._waiting:
                self._waiting[call_id] = self._serial
                self._held += _NOTE + len(call_id)
                self._noted, self._noted_at = call_id, self._place
        elif data.startswith(b"BYE "):
            self._end(ends, b"BYE", data)
        elif data.startswith(b"NOTIFY ") and data.find(_ENDED) >= 0:
            self._end(ends, b"NOTIFY", data)

    def _end(self, ends: Ends, how: bytes, data: bytes) -> None:
        call_id = call_id_of(data)
        self._seen_size += _NOTE + len(call_id)
        if self._seen_size < self.limit // 4:
            self._noted, self._noted_at = b"", self._place
            self._endings.append(Taped(self._at, True, ends, how, call_id))

    # -- reading it --------------------------------------------------------------

    @property
    def size(self) -> int:
        """Bytes that the tape holds."""
        return self._size + self._held + self._carried_size

    def look(self, now: float) -> list[Taped]:
        """The final answers of 400 and more that we have sent since the last look."""
        found, self._failures, self._seen_size = self._failures, [], 0
        for each in found:
            each.call_id = call_id_of(each.data)
            if each.data.find(_INVITE) >= 0:
                self.answered(each.call_id)
        self._turn()
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
        self._open_piece().find(wanted, found)
        return found

    def all_fresh(self) -> list[Taped]:
        """Every message since the last look."""
        found: list[Taped] = []
        for chunk in self._fresh:
            chunk.find(None, found)
        return found

    # -- closing a piece, and giving old ones up -----------------------------------

    def _fill(self) -> None:
        """The segment is full: go on in another one."""
        self._turn()
        full, self._segment = self._segment, self._spare or Segment(CHUNK)
        self._spare = full if full.users == 0 else None
        self._segment.rewind(0)
        self._write = self._segment.write
        self._start = self._place = 0
        self._noted_at = -1  # that place is of the other segment
        if self.filled is not None:
            self.filled()

    def _open_piece(self) -> Chunk:
        return Chunk(
            *(self._serial, self._began, self._at, self._segment, self._start),
            *(self._marks, self._sizes, self._held),
        )

    def _turn(self) -> None:
        """Close the piece that is open."""
        if not self._marks:
            return
        chunk = self._open_piece()
        self._segment.users += 1
        self._chunks.append(chunk)
        self._fresh.append(chunk)
        self._size += chunk.size
        self._serial += 1
        self._start = self._place
        self._marks, self._sizes = [], []
        self._held = 0
        self._marked = -1.0
        self._shrink()

    def _shrink(self) -> None:
        over, gone = self._size - (self.limit - self.limit // 4), 0
        while over > 0 and gone < len(self._chunks):
            over -= self._chunks[gone].size
            gone += 1
        for chunk in self._forget(gone):
            self._carry(chunk)
            self._leave(chunk)

    def _forget(self, count: int) -> list[Chunk]:
        """Take the oldest pieces off the tape."""
        lost = self._chunks[:count]
        del self._chunks[:count]
        for chunk in lost:
            self._size -= chunk.size
        kept = len(self._chunks)
        if len(self._fresh) > kept:
            self._fresh = self._fresh[len(self._fresh) - kept :]
        return lost

    def _leave(self, chunk: Chunk) -> None:
        """The piece is gone; its segment may be written again when all of them are."""
        segment = chunk.segment
        segment.users -= 1
        if segment.users == 0 and segment is not self._segment:
            self._spare = segment

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
                self._carried_size += len(taped.data) + _NOTE
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
            self._carried_size -= len(taped.data) + _NOTE

    def _drop(self, now: float) -> None:
        chunks, gone = self._chunks, 0
        while gone < len(chunks) and chunks[gone].ended < now - SECONDS:
            gone += 1
        lost = self._forget(gone)
        for chunk in lost:
            self._leave(chunk)
        if lost:
            self._late(lost[-1].serial)
