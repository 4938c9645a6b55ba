"""Load from sipp against any address, with a table of results; `make load` runs it.

    python -m tests.sipp.load --target 127.0.0.5:5060 --scenario journey \\
        --rate 200 --seconds 60

Standard library only, so that it also runs inside the lab's containers.  Nothing is
hidden: a call counts as failed when sipp says so, every retransmission is shown, and
the first call that failed stands below the table, as the proxy's recorder has it.
Scenarios are the `uac_*.xml` files beside this one, or a file of your own; `mixed` runs
several at once.
"""

import argparse
import csv
import json
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.sipp.first_failure import on_the_wire, recorded
from tests.sipp.messages import (
    Line,
    broken_calls,
    lines_of,
    response_times,
    seen_of,
    unanswered,
)

FOLDER = Path(__file__).resolve().parent
TRANSPORT = {"udp": "u1", "tcp": "t1"}
# Shares of a Monday morning: most are journeys, some presence, a little of the rest.
MIXED = {"journey": 0.5, "subscribe": 0.3, "message": 0.2}
GRACE = 40
"""Seconds that calls may take to end after the last one began."""
LONGEST_TRACE = 1 << 30
"""Bytes of sipp's trace, some 8 million messages; later calls have no times."""


@dataclass(slots=True)
class Result:
    """What one scenario came to; times are milliseconds from a call's first request
    to the final answer to it, read to a microsecond."""

    scenario: str
    rate: float
    seconds: float
    started: int = 0
    successful: int = 0
    failed: int = 0
    retransmissions: int = 0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    worst: float = 0.0
    causes: dict[str, int] = field(default_factory=dict)
    """Failed calls by what came in place of what was expected."""
    first_failed: str = ""
    """The Call-ID of the first call that failed."""


class Caller:
    """One sipp process with a directory of its own."""

    def __init__(
        self, scenario: str, rate: float, options: argparse.Namespace, folder: Path
    ) -> None:
        file = scenario_file(scenario)
        self.result = Result(file.stem.removeprefix("uac_"), rate, options.seconds)
        self.folder = folder / self.result.scenario
        self.folder.mkdir()
        # Named as the result is: sipp takes the name of a file from its scenario.
        self.scenario = file.read_text("latin-1")
        copy = self.folder / f"{self.result.scenario}.xml"
        copy.write_text(self.scenario, "latin-1")
        calls = max(1, round(rate * options.seconds))
        host, port = split(options.target)
        local = options.local or source_towards(host, port)
        line = [
            "sipp",
            *("-sf", str(copy), "-i", local, "-t", TRANSPORT[options.transport]),
            *("-p", str(free_port(local))),
            *("-s", options.service, "-key", "domain", options.domain),
            *("-m", str(calls), "-r", f"{rate:g}", "-l", str(calls)),
            *("-trace_stat", "-stf", "stat.csv", "-fd", "1"),
            *("-trace_shortmsg", "-shortmessage_file", "messages.csv"),
            *("-max_log_size", str(LONGEST_TRACE)),
            *("-trace_err", "-error_file", "errors.log"),
            *("-timeout", str(options.seconds + GRACE), "-nostdin"),
            *("-timer_resol", "1"),
            *("-recv_timeout", str(GRACE * 1000 - 5000), "-max_socket", "1000"),
            f"{host}:{port}",
        ]
        if rate < 10:
            line[line.index("-r") + 1 : line.index("-r") + 2] = [
                f"{rate * 10:g}",
                *("-rp", "10000"),
            ]
        with (self.folder / "said").open("wb") as said:
            self.process = subprocess.Popen(
                line,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )

    def finish(self) -> Result:
        """Wait for its end and read what it counted."""
        self.process.wait()
        result = self.result
        rows = read_csv(self.folder / "stat.csv")
        if rows:
            row = rows[-1]
            result.started = int(row["TotalCallCreated"])
            result.successful = int(row["SuccessfulCall(C)"])
            result.failed = int(row["FailedCall(C)"])
            result.retransmissions = int(row["Retransmissions(C)"])
            # Calls cut off by the time limit never came to an end.
            result.failed += int(row["CurrentCall"])
            result.causes = causes(self._errors(), result.failed)
        times = response_times(self._messages())
        if times:
            result.p50, result.p95, result.p99 = (
                round(times[min(len(times) - 1, int(len(times) * part))], 3)
                for part in (0.50, 0.95, 0.99)
            )
            result.worst = round(times[-1], 3)
        if result.failed:
            broken = broken_calls(self._errors())
            result.first_failed = (
                broken[0].call if broken else unanswered(self._messages())
            )
        return result

    def ladder(self, target: str, config: str) -> str:
        """The first failed call: the recorder's ladder, or what sipp saw of it."""
        call = self.result.first_failed
        head = f"\nthe first failed call of {self.result.scenario}, {call}, as "
        found = recorded(target, on_the_wire(self.scenario, call), config)
        if found:
            return f"{head}the proxy recorded it:\n\n{found}"
        return "\n".join([f"{head}sipp saw it:", *seen_of(call, self._messages())])

    def complaint(self) -> str:
        """Why sipp did not begin a single call."""
        said = (self.folder / "said").read_text("latin-1") + self._errors()
        return " ".join(said.split())[:400] or "sipp ended without a word"

    def _messages(self) -> Iterator[Line]:
        return lines_of(self.folder / "messages.csv")

    def _errors(self) -> str:
        path = self.folder / "errors.log"
        return path.read_text("latin-1") if path.exists() else ""


def scenario_file(name: str) -> Path:
    """The file of a scenario: one of ours by its name, or a path."""
    return Path(name) if is_path(name) else FOLDER / f"uac_{name}.xml"


def is_path(name: str) -> bool:
    """Whether a scenario is a file of the caller's own."""
    return "/" in name or name.endswith(".xml")


def causes(errors: str, failed: int) -> dict[str, int]:
    """Failed calls by the answer that broke them; the rest had none in time."""
    found = Counter(each.status for each in broken_calls(errors) if each.status)
    without = failed - sum(found.values())
    if without > 0:
        found["no answer"] = without
    return dict(found.most_common())


def answers(target: str, transport: str, patience: float = 2.0) -> bool:
    """Whether somebody is there: takes the connection, or answers an OPTIONS."""
    host, port = split(target)
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    try:
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.settimeout(patience / 4)
            probe.connect((host, port))
            if transport == "tcp":
                return True
            me = "{}:{}".format(*probe.getsockname())
            for number in range(4):
                probe.send(_options(host, port, me, number))
                try:
                    return bool(probe.recv(65_535))
                except TimeoutError:
                    continue
    except OSError:
        pass
    return False


def _options(host: str, port: int, me: str, number: int) -> bytes:
    return (
        f"OPTIONS sip:{host}:{port} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {me};rport;branch=z9hG4bKload{number}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:load@{me}>;tag=load\r\n"
        f"To: <sip:{host}:{port}>\r\nCall-ID: load-{me}-{number}\r\n"
        "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def read_csv(path: Path) -> list[dict[str, str]]:
    """sipp's semicolon-separated rows; none when the file is not there."""
    if not path.exists():
        return []
    with path.open(encoding="latin-1") as file:
        return list(csv.DictReader(file, delimiter=";"))


def split(target: str) -> tuple[str, int]:
    """``host:port``; the port may be missing."""
    host, _, port = target.rpartition(":")
    return (host, int(port)) if host else (target, 5060)


def free_port(local: str) -> int:
    """A port that UDP and TCP have free there.

    Left to themselves, two sipps that start at once may take the same one, and the
    second ends without a call.
    """
    for _ in range(50):
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram,
        ):
            stream.bind((local, 0))
            port: int = stream.getsockname()[1]
            try:
                datagram.bind((local, port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port on {local}")


def source_towards(host: str, port: int) -> str:
    """The address that this machine would send from; of its own on loopback."""
    if host.startswith("127."):
        return "127.0.0.41"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, port))
        name: str = probe.getsockname()[0]
        return name


def run(options: argparse.Namespace) -> tuple[list[Result], list[str]]:
    """Run one scenario, or the mixture; results, and what to say of them."""
    shares = MIXED if options.scenario == "mixed" else {options.scenario: 1.0}
    with tempfile.TemporaryDirectory() as folder:
        callers = [
            Caller(name, options.rate * share, options, Path(folder))
            for name, share in shares.items()
        ]
        results = [caller.finish() for caller in callers]
        said = []
        for caller in callers:
            if caller.result.first_failed:
                said.append(caller.ladder(options.target, options.config))
            elif not caller.result.started:
                said.append(f"sipp made no call: {caller.complaint()}")
    return results, said


def table(results: list[Result]) -> str:
    """The results for a person."""
    head = (
        f"{'scenario':<12}{'calls/s':>8}{'calls':>8}{'ok':>8}{'failed':>8}"
        f"{'resent':>8}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'max ms':>9}"
    )
    lines = [
        f"{r.scenario:<12}{r.rate:>8g}{r.started:>8}{r.successful:>8}{r.failed:>8}"
        f"{r.retransmissions:>8}{r.p50:>9.1f}{r.p95:>9.1f}{r.p99:>9.1f}{r.worst:>9.1f}"
        for r in results
    ]
    for r in results:
        if r.causes:
            parts = ", ".join(f"{count} × {what}" for what, count in r.causes.items())
            lines.append(f"{r.scenario} failed: {parts}")
    return "\n".join([head, *lines])


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    known = sorted(p.stem.removeprefix("uac_") for p in FOLDER.glob("uac_*.xml"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", required=True, help="host:port of the proxy")
    parser.add_argument(
        "--scenario",
        default="journey",
        metavar="NAME|FILE.xml",
        help=f"one of {', '.join(known)}, mixed, or a file of your own",
    )
    parser.add_argument("--rate", type=float, default=20, help="calls per second")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--transport", default="udp", choices=sorted(TRANSPORT))
    parser.add_argument("--local", help="address to send from")
    parser.add_argument("--service", default="ocschat", help="user of the endpoint")
    parser.add_argument("--domain", default="contoso.test")
    parser.add_argument(
        "--config", default="", help="of the proxy, for the ladder of a failed call"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if is_path(options.scenario):
        if not Path(options.scenario).is_file():
            parser.error(f"there is no scenario {options.scenario}: check the path")
    elif options.scenario not in (*known, "mixed"):
        names = ", ".join((*known, "mixed"))
        parser.error(f'no scenario "{options.scenario}": write {names}, or a FILE.xml')
    return options


def main(arguments: list[str]) -> int:
    """Exit code 0 when no call failed."""
    options = parse(arguments)
    if shutil.which("sipp") is None:
        print("sipp is missing: install Debian's sip-tester", file=sys.stderr)
        return 2
    if not answers(options.target, options.transport):
        print(
            f"nothing answers at {options.target} ({options.transport}): is the proxy "
            "running there? (make run starts one at 127.0.0.5:5060)",
            file=sys.stderr,
        )
        return 2
    results, said = run(options)
    if options.json:
        print(json.dumps([asdict(result) for result in results]))
    else:
        print(table(results))
    for text in said:
        print(text, file=sys.stderr if options.json else sys.stdout)
    return 0 if all(r.started and not r.failed for r in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
