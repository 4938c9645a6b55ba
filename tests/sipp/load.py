"""Load from sipp against any address, with a table of results; `make load` runs it.

    python tests/sipp/load.py --target 127.0.0.5:5060 --scenario journey \\
        --rate 200 --seconds 60

Standard library only, so that it also runs inside the lab's containers.  Nothing is
hidden: a call counts as failed when sipp says so, and every retransmission is shown.
Scenarios are the `uac_*.xml` files beside this one, or a file of your own; `mixed` runs
several at once.
"""

import argparse
import csv
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE if list(HERE.glob("uac_*.xml")) else HERE / "sipp"
TRANSPORT = {"udp": "u1", "tcp": "t1"}
# Shares of a Monday morning: most are journeys, some presence, a little of the rest.
MIXED = {"journey": 0.5, "subscribe": 0.3, "message": 0.2}
GRACE = 40
"""Seconds that calls may take to end after the last one began."""


@dataclass(slots=True)
class Result:
    """What one scenario came to; times are milliseconds from a call's first request
    to its first final answer."""

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


class Caller:
    """One sipp process with a directory of its own."""

    def __init__(
        self, scenario: str, rate: float, options: argparse.Namespace, folder: Path
    ) -> None:
        file = scenario_file(scenario)
        self.result = Result(file.stem.removeprefix("uac_"), rate, options.seconds)
        self.folder = folder / self.result.scenario
        self.folder.mkdir()
        timed = self.folder / f"{self.result.scenario}.xml"
        timed.write_text(with_timer(file.read_text("latin-1")), "latin-1")
        calls = max(1, round(rate * options.seconds))
        host, port = split(options.target)
        local = options.local or source_towards(host, port)
        line = [
            "sipp",
            *("-sf", str(timed), "-i", local, "-t", TRANSPORT[options.transport]),
            *("-p", str(free_port(local))),
            *("-s", options.service, "-key", "domain", options.domain),
            *("-m", str(calls), "-r", f"{rate:g}", "-l", str(calls)),
            *("-trace_stat", "-stf", "stat.csv", "-fd", "1"),
            *("-trace_rtt", "-rtt_freq", "1"),
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
        self.process = subprocess.Popen(
            line,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
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
        times = sorted(
            float(row["response_time_ms"])
            for path in self.folder.glob("*_rtt.csv")
            for row in read_csv(path)
        )
        if times:
            result.p50, result.p95, result.p99 = (
                times[min(len(times) - 1, int(len(times) * part))]
                for part in (0.50, 0.95, 0.99)
            )
            result.worst = times[-1]
        return result

    def errors(self) -> str:
        """The end of what sipp complained about."""
        return self._errors()[-700:]

    def _errors(self) -> str:
        path = self.folder / "errors.log"
        return path.read_text("latin-1") if path.exists() else ""


def scenario_file(name: str) -> Path:
    """The file of a scenario: one of ours by its name, or a path."""
    return Path(name) if is_path(name) else FOLDER / f"uac_{name}.xml"


def is_path(name: str) -> bool:
    """Whether a scenario is a file of the caller's own."""
    return "/" in name or name.endswith(".xml")


_BROKEN = re.compile(
    r"unexpected message for Call-Id '([^']*)': [^\n]*received 'SIP/2\.0 (\d{3})"
)


def causes(errors: str, failed: int) -> dict[str, int]:
    """Failed calls by the answer that broke them; the rest had none in time."""
    # A BYE of sipp's own may follow and be refused, too: the first answer broke it.
    first: dict[str, str] = {}
    for call_id, status in _BROKEN.findall(errors):
        first.setdefault(call_id, status)
    found = Counter(first.values())
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


def with_timer(scenario: str) -> str:
    """The scenario with a timer from its first request to the first final answer."""
    scenario = scenario.replace("<send ", '<send start_rtd="1" ', 1)
    return re.sub(
        r'<recv response="([2-6]\d\d)"',
        r'<recv response="\1" rtd="1"',
        scenario,
        count=1,
    )


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


def run(options: argparse.Namespace) -> list[Result]:
    """Run one scenario, or the mixture, to its end."""
    shares = MIXED if options.scenario == "mixed" else {options.scenario: 1.0}
    with tempfile.TemporaryDirectory() as folder:
        callers = [
            Caller(name, options.rate * share, options, Path(folder))
            for name, share in shares.items()
        ]
        results = [caller.finish() for caller in callers]
        for caller in callers:
            if caller.result.failed and caller.errors():
                print(caller.errors(), file=sys.stderr)
    return results


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
    results = run(options)
    if options.json:
        print(json.dumps([asdict(result) for result in results]))
    else:
        print(table(results))
    return 0 if all(r.started and not r.failed for r in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
