"""Is memory flat over millions of calls?  Hours in minutes, on a clock of our own.

    python -m tests.bench.long_run [CALLS [RATE]]

The core with flight recorder, access log and a ledger in a real SQLite file around it,
as the service has them, and no sockets: a message is handed over, and what the core
sends is answered at once.  So the machine may be busy, and no call fails for that.
Every caller is a new user, which is the most that the ledger can get.  Prints memory
as it grows; exits 1 when something did not come back, or when memory at the end is a
tenth above what it was after the first quarter.
"""

import gc
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from proxy.core import commands
from proxy.endpoints.usage_book import UsageBook
from proxy.recorder.recorder import MEGABYTE, Recorder
from proxy.server.garbage import BUSY, settle_memory
from proxy.sip.flow import Flow
from proxy.store.sqlite.file import SqliteFile
from proxy.telemetry.access import AccessLog
from proxy.telemetry.tally import AccessTally
from tests.bench.measure import memory_mib
from tests.bench.scripted import BODY, CHAT, field, fields, request
from tests.support.playbook import Playbook

RATE = 1000
EPOCH = 1_790_000_000.0  # wall-clock seconds at the beginning
LOOKS = 40  # lines that are printed
SETTLED = 40.0  # seconds after the last call: nothing may be left by then
GROWTH = 1.1
CALL = b"<sip:ocschat@contoso.test>"


class Machine:
    """Core, recorder, log and ledger, and the two ends of every call."""

    def __init__(self, directory: Path) -> None:
        play = Playbook()
        self.core = play.core
        self.caller, self.front_end = play.flow("client"), play.flow("fe1")
        self.began = self.now = play.now
        self.recorder = Recorder(16 * MEGABYTE, lambda: EPOCH - self.began)
        self.log = (directory / "access.log").open("w")
        self.access = AccessLog(self.log, console=False, tally=AccessTally())
        self.book = UsageBook()
        self.access.ledger = self
        self.access.recorder = self.recorder
        self.store = SqliteFile(directory / "waypost.db")
        self.sent: list[tuple[Flow, bytes]] = []
        self.unheard = 0
        self._every: list[tuple[float, Callable[[], object]]] = [
            (0.02, lambda: self._do(self.core.expire(self.now))),
            (0.25, self._flush),
            (0.5, self._save),
            (BUSY, gc.collect),
        ]
        self._due = [self.now + each for each, _ in self._every]

    def count_all(self, group) -> None:
        """The ledger's part of a flush."""
        self.book.count_all(group)

    def wait(self, seconds: float) -> None:
        """Let time pass, and do what is due."""
        self.now += seconds
        for place, (each, work) in enumerate(self._every):
            if self._due[place] <= self.now:
                self._due[place] = self.now + each
                work()

    def _flush(self) -> None:
        self.access.flush()
        self.recorder.look(self.now)
        self.log.truncate(0)  # what was written is the reader's

    def _save(self) -> None:
        rows = self.book.take()
        self.store.ledger.add_usage(rows, *self.book.take_pools())

    def _do(self, out) -> None:
        tape = self.recorder.tape
        for command in out:
            if isinstance(command, commands.Send):
                tape.sent(command.flow, command.data)
                self.sent.append((command.flow, command.data))
            elif isinstance(command, commands.LogAccess):
                self.access.add(command, EPOCH + self.now - self.began)

    def take(self, flow: Flow, data: bytes) -> list[bytes]:
        """A message comes in; what goes out for it."""
        self.recorder.tape.heard(self.now, flow, data)
        self.core.receive(flow, data, self.now)
        self.sent.clear()
        self._do(self.core.take_commands())
        return [data for _, data in self.sent]

    def call(self, number: int) -> None:
        """INVITE, 180, 200, ACK, INFO and BYE, as those of ``make bench-count``."""
        first = request(
            b"INVITE", b"sip:ocschat@contoso.test", number, 1, CALL, b"", BODY
        )
        heard = self._forwarded(first, b"INVITE")
        self._answered(heard, b"180 Ringing", number)
        answer = self._answered(heard, b"200 OK", number, BODY)
        to, where = field(answer, b"To"), field(answer, b"Contact").strip(b"<>")
        routes = b"".join(
            b"Route: %b\r\n" % x for x in reversed(fields(answer, b"Record-Route"))
        )
        ack = request(b"ACK", where, number, 1, to, routes)
        self._forwarded(ack, b"ACK")
        for cseq, method, body in ((2, b"INFO", CHAT), (3, b"BYE", b"")):
            later = request(method, where, number, cseq, to, routes, body)
            self._answered(self._forwarded(later, method), b"200 OK", number)

    def _forwarded(self, data: bytes, method: bytes) -> bytes:
        for out in self.take(self.caller, data):
            if out.startswith(method + b" "):
                return out
        raise RuntimeError(f"{method.decode()} did not reach the front end")

    def _answered(
        self, heard: bytes, status: bytes, number: int, body: bytes = b""
    ) -> bytes:
        to = field(heard, b"To")
        to += b"" if b";tag=" in to else b";tag=fe%d" % number
        lines = [b"SIP/2.0 " + status]
        lines += [b"Via: " + x for x in fields(heard, b"Via")]
        if heard.startswith(b"INVITE"):
            lines += [b"Record-Route: " + x for x in fields(heard, b"Record-Route")]
            lines.append(
                b"Contact: <sip:pool@%b:%d>"
                % (self.front_end.host.encode(), self.front_end.port)
            )
        lines += [
            *(b"From: " + field(heard, b"From"), b"To: " + to),
            *(
                b"Call-ID: " + field(heard, b"Call-ID"),
                b"CSeq: " + field(heard, b"CSeq"),
            ),
            *(b"Server: RTC/5.0", b"Content-Length: %d" % len(body), b"", body),
        ]
        out = self.take(self.front_end, b"\r\n".join(lines))
        if not out or not out[0].startswith(b"SIP/2.0 " + status):
            raise RuntimeError(f"no {status.decode()} went back")
        return out[0]


def main(calls: int, rate: int) -> int:
    """Call, look, wait, look."""
    memory: list[float] = []
    with tempfile.TemporaryDirectory(prefix="waypost-long-") as directory:
        machine = Machine(Path(directory))
        settle_memory()
        began, own = time.monotonic(), {_own()}
        step = max(calls // LOOKS, 1)
        for number in range(1, calls + 1):
            machine.call(number)
            machine.wait(1 / rate)
            if number % step == 0:
                memory.append(memory_mib(own))
                print(
                    f"{number:>9,} calls, {machine.now - machine.began:,.0f} s of its "
                    f"clock in {time.monotonic() - began:,.0f}: {memory[-1]:.1f} MiB, "
                    f"{len(machine.core.transactions):,} transactions",
                    flush=True,
                )
        for _ in range(int(SETTLED * 50)):
            machine.wait(0.02)
        left = len(machine.core.transactions)
        print(f"{SETTLED:.0f} s later: {memory_mib(own):.1f} MiB, {left} transactions")
        machine.store.close()
        machine.log.close()
    is_grown = memory[-1] > GROWTH * memory[(len(memory) - 1) // 4]
    return 1 if left or is_grown else 0


def _own() -> int:
    return int(Path("/proc/self").resolve().name)


if __name__ == "__main__":
    wanted = [int(each) for each in sys.argv[1:3]]
    sys.exit(main(*(wanted + [2_000_000, RATE][len(wanted) :])))
