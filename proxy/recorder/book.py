"""The book of the last calls: who asked what, where it went, how it ended.

Each request outside a dialog has one line, which also says what happened later inside
the dialog.  Lines stand on pages, and are put into words only when somebody asks.  The
book is bounded by count and by bytes.  Compiled together with the core.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final

from proxy.recorder.chunk import Taped, answers, cseq_method_of
from proxy.recorder.line import (
    MOST_REASON,
    NO_FAILURE,
    Failure,
    Line,
    call_id_in,
    dialled,
    fits,
    header_of,
    plain_address,
    reason_of,
    said,
    text_of,
)
from proxy.recorder.page import Endings, Page
from proxy.recorder.tape import Tape
from proxy.sip.finished import Finished, Group
from proxy.sip.flow import Ends

__all__ = ["EACH", "INSIDE", "MOST_FAILURES", "MOST_REASON", "SLOW", "Book"]

EACH: Final = 1024
"""Bytes that a line may take on average."""
SLOW: Final = 0.2
"""Seconds: a faster request is never slow, however fast the others are."""
MOST_FAILURES: Final = 8
_PAGE: Final = 32
"""Lines of a page at most, and pages of a book at least."""
_FEWEST_PAGES: Final = 100
_SAME: Final = 1.0
"""Seconds: an answer so close to a line, with its status, is the one it tells of."""
_SLACK: Final = 0.05
"""Seconds by which a dialog may end before its line: clocks are set."""
INSIDE: Final = "(in a dialog)"
"""In place of the URI of a dialog that began before this book."""


class Book:
    """At most ``count`` lines, and ``EACH`` bytes times that."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.size = 0
        self.written = 0
        """Lines that are in the book."""
        self._lines_of_page = min(max(count // _FEWEST_PAGES, 1), _PAGE)
        self._page = Page()
        self._pages: deque[Page] = deque((self._page,))
        # Which page has a Call-ID: filled as far as somebody asks.
        self._index: dict[bytes, Page] = {}
        self._endings: deque[Endings] = deque()
        self._ended = 0
        self._endings_size = 0

    @property
    def lines(self) -> list[Line]:
        """All lines, the oldest first."""
        return [line for page in self._pages for line in page.lines()]

    # -- what happens ------------------------------------------------------------

    def add(self, record: Finished, at: float) -> bytes:
        """A request outside a dialog has ended; ``at`` is wall-clock seconds.  Returns
        its Call-ID."""
        request, source = record.request, record.source
        ends = source.ends
        call_id = call_id_in(request)
        self._write(
            at,
            request.method,
            request.uri,
            request.lines[request.index["from"]],
            call_id,
            source.both_ends() if ends is None else ends,
            record,
        )
        return call_id

    def add_all(self, group: Group, watched: dict[bytes, float], tape: Tape) -> Group:
        """Add several; returns those that may be worth keeping: what failed, what was
        slow or tried twice, and what belongs to a call that is watched.

        ``tape`` is told which calls have their final answer."""
        notable: Group = []
        for each in group:
            record, at = each
            call_id = self.add(record, at)
            if record.request.method == b"INVITE":
                tape.answered(call_id)
            if (
                record.status >= 400
                or record.seconds >= SLOW
                or len(record.attempts) > 1
                or (watched and call_id in watched)
            ):
                notable.append(each)
        return notable

    def knows(self, call_id: bytes) -> bool:
        """Whether a line has this Call-ID."""
        return self._page_of(call_id) is not None

    def ended_all(self, found: list[Taped], offset: float) -> None:
        """Dialogs have ended; ``offset`` makes wall-clock time."""
        if not found:
            return
        endings = Endings(found, offset)
        self._endings.append(endings)
        self._ended += endings.count
        self._endings_size += endings.size
        while self._endings and (
            self._ended > self.count
            or self._endings_size > self.count * EACH // 8
            or self._endings[0].last_at < self._pages[0].first_at - _SLACK
        ):
            gone = self._endings.popleft()
            self._ended -= gone.count
            self._endings_size -= gone.size

    def failed(self, sight: Taped, offset: float) -> None:
        """We have sent a final answer of 400 or more; ``offset`` makes wall-clock
        time."""
        at = sight.at + offset
        digits = sight.data[8:11]
        status = int(digits) if digits.isdigit() else 0
        method = cseq_method_of(sight.data)
        reason = reason_of(sight.data)
        page = self._page_of(sight.call_id)
        line = None if page is None else page.open(sight.call_id)
        if line is not None and (
            line.status == status
            and line.method == method
            and (
                (abs(line.at - at) < _SAME and not line.failures)
                # Over UDP it goes out again and again until the ACK, which a legacy
                # client never sends.
                or answers(line.cseq, sight.data)
            )
        ):
            # The line has this answer already, from its access record.
            if not line.reason:
                line.reason = reason
                self._grow(page, line, len(reason))
            return
        if status in NO_FAILURE or not sight.call_id:
            return
        if line is not None and len(line.failures or ()) >= MOST_FAILURES:
            return
        failure = Failure(at, status, text_of(method), said(reason))
        if line is None:
            # Its dialog began before this book, or before this process.
            sender = b"From: " + header_of(sight.data, b"from", b"f")
            call_id, uri = sight.call_id, INSIDE.encode()
            self._write(at, method, uri, sender, call_id, sight.ends, None, status)
            page = self._page
            line = page.open(call_id)
            line.reason = reason
            self._grow(page, line, len(reason))
        if line.failures is None:
            line.failures = []
        line.failures.append(failure)
        self._grow(page, line, failure.size)

    # -- pages -------------------------------------------------------------------

    def _write(
        self,
        at: float,
        method: bytes,
        uri: bytes,
        sender: bytes,
        call_id: bytes,
        ends: Ends,
        record: Finished | None,
        status: int = 0,
    ) -> None:
        page = self._page
        if page.count >= self._lines_of_page:
            page.close()
            page = self._page = Page()
            self._pages.append(page)
        if record is None:
            size = page.add(
                *(at, method, uri, sender, call_id, ends),
                *(status, 0.0, "", "", "", ()),
            )
        else:
            size = page.add(
                at,
                method,
                uri,
                sender,
                call_id,
                ends,
                record.status,
                record.seconds,
                record.rule,
                record.endpoint,
                record.pool,
                record.attempts,
            )
            if record.status >= 400:
                request = record.request
                size += page.note_cseq(request.lines[request.index["cseq"]])
        self.written += 1
        self.size += size
        if self.written > self.count or self.size > self.count * EACH:
            self._shrink()

    def _grow(self, page: Page | None, line: Line, by: int) -> None:
        assert page is not None
        line.size += by
        page.size += by
        self.size += by
        self._shrink()

    def _shrink(self) -> None:
        """Drop the oldest pages until both bounds hold."""
        pages = self._pages
        while self.written > self.count or (
            self.size > self.count * EACH and self.written
        ):
            gone = pages.popleft()
            self.written -= gone.count
            self.size -= gone.size
            if gone is self._page:
                self._page = Page()
                pages.append(self._page)
            for call_id in gone.call_ids()[: gone.indexed]:
                if self._index.get(call_id) is gone:
                    del self._index[call_id]

    def _page_of(self, call_id: bytes) -> Page | None:
        """The page with the newest line of this Call-ID."""
        late: list[Page] = []
        for page in reversed(self._pages):
            if page.indexed == page.count:
                break
            late.append(page)
        index = self._index
        for page in reversed(late):
            for each in page.call_ids()[page.indexed :]:
                index[each] = page
            page.indexed = page.count
        return index.get(call_id)

    # -- questions ---------------------------------------------------------------

    def find(
        self,
        *,
        aor: str = "",
        endpoint: str = "",
        failed: bool = False,
        since: float = 0.0,
        until: float = float("inf"),
    ) -> Iterator[Line]:
        """Lines that fit, the newest first; ``aor`` may be a user without a host."""
        aor, endpoint = plain_address(aor), plain_address(endpoint)
        for line in self._newest_first():
            if not since <= line.at <= until:
                continue
            if failed and not line.is_failed:
                continue
            if endpoint and not fits(endpoint, line.endpoint):
                continue
            if aor and not (fits(aor, line.who) or fits(aor, dialled(line.uri))):
                continue
            yield line

    def _newest_first(self) -> Iterator[Line]:
        """Every line, with the ending of its dialog: the first after the line."""
        later: dict[bytes, tuple[float, Ends, bytes]] = {}
        endings = self._endings_newest_first()
        ending = next(endings, None)
        for page in reversed(list(self._pages)):
            for line in reversed(page.lines()):
                while ending is not None and ending[0] >= line.at - _SLACK:
                    later[ending[1]] = (ending[0], ending[2], ending[3])
                    ending = next(endings, None)
                found = later.pop(line.call_id, None)
                if found is not None:
                    at, ends, how = found
                    caller = (ends.host, ends.port) == (line.ends.host, line.ends.port)
                    who = "caller" if caller else "callee"
                    line.ended = f"{how.decode()} from the {who}"
                    line.ended_at = at
                yield line

    def _endings_newest_first(self) -> Iterator[tuple[float, bytes, Ends, bytes]]:
        for endings in reversed(list(self._endings)):
            yield from endings.newest_first()
