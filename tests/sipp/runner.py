"""Run sipp against the proxy under test and count what failed.

One `Sipp` is one sipp process, a caller (UAC) or a front end (UAS), with the scenario
files beside this module.  Everything is on loopback; a process is ended by its id.
"""

import asyncio
import contextlib
import csv
import signal
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import free_port

HERE = Path(__file__).parent
TRANSPORT = {"udp": "u1", "tcp": "t1"}

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a sipp process counted, and how it ended."""

    successful: int
    failed: int
    retransmissions: int
    exit_status: int
    errors: str

    @property
    def created(self) -> int:
        """Calls that began and ended."""
        return self.successful + self.failed


class Sipp:
    """One sipp process; `calls` 0 runs until `stop`, as a front end does."""

    def __init__(
        self,
        directory: Path,
        scenario: str,
        host: str,
        *,
        transport: str = "udp",
        port: int = 0,
        remote: Address | None = None,
        calls: int = 0,
        rate: float = 10,
        name: str = "",
        service: str = "ocschat",
        fields: Path | None = None,
    ) -> None:
        self.name = name or scenario
        self.host = host
        self.port = port or free_port(host)
        self._directory = directory
        self._statistics = directory / f"{self.name}.csv"
        self._errors = directory / f"{self.name}.errors"
        self._line = [
            "sipp",
            *("-sf", str(HERE / f"{scenario}.xml")),
            *("-i", host, "-p", str(self.port), "-t", TRANSPORT[transport]),
            *("-s", service, "-key", "domain", "contoso.test"),
            *("-trace_stat", "-stf", str(self._statistics), "-fd", "1"),
            *("-trace_err", "-error_file", str(self._errors)),
            *("-nostdin", "-recv_timeout", "12000", "-max_socket", "1000"),
        ]
        if calls:
            # -l: sipp's default of open calls is 3 x rate, too few while one hangs.
            self._line += ["-m", str(calls), "-r", str(rate), "-l", str(calls)]
        if fields is not None:
            self._line += ["-inf", str(fields)]
        if remote is not None:
            self._line.append(f"{remote[0]}:{remote[1]}")
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process; a front end is listening when this returns."""
        self._process = await asyncio.create_subprocess_exec(
            *self._line,
            cwd=self._directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            # Linux shares time among sessions first: in that of the tests a generator
            # waits for all of them, and its calls are late before we have seen them.
            start_new_session=True,
        )
        for _ in range(200):
            if self._process.returncode is not None or self._listens():
                return
            await asyncio.sleep(0.02)

    def _listens(self) -> bool:
        octets = "".join(f"{int(part):02X}" for part in reversed(self.host.split(".")))
        wanted = f"{octets}:{self.port:04X}"
        tables = (Path("/proc/net/udp"), Path("/proc/net/tcp"))
        return any(f" {wanted} " in table.read_text() for table in tables)

    async def wait(self, timeout: float = 60.0) -> Outcome:
        """Wait until all calls ended; kills it after ``timeout`` s."""
        assert self._process is not None
        try:
            await asyncio.wait_for(self._process.wait(), timeout)
        except TimeoutError:
            await self.stop()
        return self.outcome()

    async def stop(self, number: int = signal.SIGKILL) -> None:
        """End it at once."""
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            await process.wait()

    def outcome(self) -> Outcome:
        """What it counted, from its statistics file."""
        row: dict[str, str] = {}
        if self._statistics.exists():
            with self._statistics.open() as file:
                rows = list(csv.DictReader(file, delimiter=";"))
            row = rows[-1] if rows else {}
        errors = self._errors.read_text("latin-1") if self._errors.exists() else ""
        status = self._process.returncode if self._process else None
        return Outcome(
            successful=int(row.get("SuccessfulCall(C)") or 0),
            failed=int(row.get("FailedCall(C)") or 0),
            retransmissions=int(row.get("Retransmissions(C)") or 0),
            exit_status=-1 if status is None else status,
            errors=errors[-1500:],
        )
