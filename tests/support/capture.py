"""What went over the loopback interface, as Wireshark reads it.

`dumpcap` writes a file, `tshark` judges it: what a support engineer would be shown.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

needs_capture = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("tshark"), reason="only root may capture"
)
# Every port speaks SIP: the tests choose free ones.  Who speaks DNS is left out below.
AS_SIP = [
    word
    for transport in ("udp", "tcp")
    for word in ("-d", f"{transport}.port==1024-65535,sip")
]
# Of IP and TCP: hops are given out by the kernel, and many a flow closes or resets.
ALLOWED = re.compile(
    r"Unrecognised SIP header \([\w-]+\)|Connection (finish|reset|establish) .*"
    r"|This frame (initiates|undergoes) the connection closing"
    r"|Possible traceroute: .*"
)


class Capture:
    """A capture that has ended."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def _fields(self, shown: str, *names: str) -> list[list[str]]:
        fields = [word for name in names for word in ("-e", name)]
        read = ("tshark", "-n", "-2", "-r", str(self.file), *AS_SIP, "-Y", shown)
        done = subprocess.run(
            [*read, "-T", "fields", "-E", "aggregator=\x1f", *fields],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return [line.split("\t") for line in done.stdout.splitlines()]

    def complaints(self, source: str, dns: str) -> list[str]:
        """What Wireshark has against the frames of ``source``, those to DNS aside."""
        ours = f"ip.src=={source} && ip.dst!={dns} && !icmp"
        found = [
            f"frame {frame}: no SIP"
            for (frame,) in self._fields(
                f"{ours} && (udp && !sip || sip && !sip.Method && !sip.Status-Code)",
                "frame.number",
            )
        ]
        rows = self._fields(
            f"{ours} && (_ws.malformed || _ws.expert)",
            *("frame.number", "_ws.malformed", "_ws.expert.message"),
        )
        for frame, malformed, messages in rows:
            if malformed:
                found.append(f"frame {frame}: malformed")
            found += [
                f"frame {frame}: {message}"
                for message in messages.split("\x1f")
                if not ALLOWED.fullmatch(message)
            ]
        return found

    def messages(self, source: str) -> Counter[str]:
        """How often ``source`` sent each method and each status."""
        rows = self._fields(
            f"sip && ip.src=={source} && !icmp", "sip.Method", "sip.Status-Code"
        )
        return Counter(
            word
            for row in rows
            for field in row
            for word in field.split("\x1f")
            if word
        )


def _mark(file: Path) -> None:
    """Send a datagram and see it in the file: what was sent before it is there too."""
    mark = uuid.uuid4().bytes
    deadline = time.monotonic() + 10
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        while mark not in file.read_bytes():
            assert time.monotonic() < deadline, "dumpcap writes nothing"
            sender.sendto(mark, ("127.0.0.98", 9))
            time.sleep(0.1)


@contextlib.contextmanager
def capture(file: Path) -> Iterator[Capture]:
    """Capture until the end of the block; read it after that."""
    with subprocess.Popen(
        ["dumpcap", "-q", "-i", "lo", "-B", "32", "-w", str(file)],
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stderr is not None
        said = ""
        try:
            while "File: " not in said:
                line = child.stderr.readline()
                assert line, said
                said += line
            _mark(file)
            yield Capture(file)
            _mark(file)
        finally:
            child.send_signal(signal.SIGINT)
            said = child.stderr.read()
    assert re.search(r"received/dropped .*: \d+/0 ", said), said
