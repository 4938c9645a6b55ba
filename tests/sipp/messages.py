"""What sipp sent and received, from its short trace: a line a message, with its time.

sipp's own response times tick every 4 ms, because it reads the kernel's coarse clock
for them.  Its trace reads the fine one, to a microsecond, so times come from there.
Standard library only: the load tool runs in the lab's containers, too.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Line:
    """One message; ``call`` is its Call-ID without what sipp does not compare."""

    at: float
    is_sent: bool
    call: str
    cseq: str
    first: str

    @property
    def status(self) -> int:
        """The status of a response; 0 for a request."""
        found = re.match(r"SIP/2\.0 (\d{3})", self.first)
        return int(found[1]) if found else 0


def lines_of(path: Path) -> Iterator[Line]:
    """The messages of a trace in their order; none when the file is not there."""
    if not path.exists():
        return
    with path.open(encoding="latin-1") as file:
        for text in file:
            fields = text.rstrip("\r\n").split("\t", 6)
            if len(fields) < 7:  # the last line of a sipp that was cut off
                continue
            _, _, at, way, call, cseq, first = fields
            cseq = cseq.partition(":")[2].strip()
            yield Line(float(at), way == "S", bare(call), cseq, first)


def bare(call_id: str) -> str:
    """A Call-ID without the part before ``///``, which sipp does not compare."""
    return call_id.rpartition("///")[2]


def response_times(lines: Iterable[Line]) -> list[float]:
    """Milliseconds from each call's first request to its final answer, sorted."""
    begun: dict[str, tuple[float, str] | None] = {}
    times = []
    for line in lines:
        if line.is_sent:
            if line.call not in begun and not line.status:
                begun[line.call] = (line.at, line.cseq)
        elif line.status >= 200:
            first = begun.get(line.call)
            if first is not None and first[1] == line.cseq:
                times.append((line.at - first[0]) * 1000)
                begun[line.call] = None
    return sorted(times)


_BROKEN = re.compile(
    r"unexpected message for Call-Id '(?P<id>[^']*)': [^\n]*"
    r"|retransmission timeout for Call-ID '(?P<gone>[^']*)'"
    r"|Call-Id: (?P<late>[^\s,]+), "
)


@dataclass(frozen=True, slots=True)
class Broken:
    """A call that sipp gave up: its Call-ID, and the answer that broke it ("" none)."""

    call: str
    status: str


def broken_calls(errors: str) -> list[Broken]:
    """The calls that failed, by what sipp complained about, the first first.

    A BYE of sipp's own may follow and be refused, too: the first complaint counts.
    """
    found: dict[str, Broken] = {}
    for each in _BROKEN.finditer(errors):
        call = bare(each["id"] or each["gone"] or each["late"] or "")
        status = re.search(r"received 'SIP/2\.0 (\d{3})", each[0])
        found.setdefault(call, Broken(call, status[1] if status else ""))
    return list(found.values())


def unanswered(lines: Iterable[Line]) -> str:
    """The first call whose first request got no final answer; "" when all got one."""
    waiting: dict[str, str] = {}
    seen: set[str] = set()
    for line in lines:
        if line.is_sent and not line.status and line.call not in seen:
            seen.add(line.call)
            waiting[line.call] = line.cseq
        elif line.status >= 200 and waiting.get(line.call) == line.cseq:
            del waiting[line.call]
    return next(iter(waiting), "")


def seen_of(call: str, lines: Iterable[Line]) -> list[str]:
    """One call as sipp saw it, a line a message, in milliseconds from its first."""
    mine = [line for line in lines if line.call == call]
    return [
        f"{(line.at - mine[0].at) * 1000:>10.1f} ms  {'->' if line.is_sent else '<-'}  "
        + line.first.removeprefix("SIP/2.0 ").removesuffix(" SIP/2.0")
        + (f" ({line.cseq})" if line.status else "")
        for line in mine
    ]
