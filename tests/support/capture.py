"""What went over the loopback interface, as Wireshark reads it.

`dumpcap` writes a file, `tshark` judges it: what a support engineer would be shown.
"""

import contextlib
import functools
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
from dataclasses import dataclass
from pathlib import Path

import pytest

MAY_CAPTURE = os.geteuid() == 0 and shutil.which("tshark") is not None
needs_capture = pytest.mark.skipif(not MAY_CAPTURE, reason="only root may capture")
# Every port speaks SIP: the tests choose free ones.  Who speaks DNS is left out below.
AS_SIP = [
    word
    for transport in ("udp", "tcp")
    for word in ("-d", f"{transport}.port==1024-65535,sip")
]
# Of IP and TCP: a hop count is no trace, many a flow closes or resets; a kernel says
# so when it had a segment twice.  A peer that is slow on a busy machine has its message
# repeated, as Timers A, E and G say.
ALLOWED = re.compile(
    r"Unrecognised SIP header \([\w-]+\)|Connection (finish|reset|establish) .*"
    r"|This frame (initiates|undergoes) the connection closing"
    r"|Possible traceroute: .*|This frame is a \(suspected\) retransmission"
    r"|D-SACK Sequence"
)


SEPARATOR = "\x1f"
FIELDS = "ip.src ip.dst frame.number udp.port sip.Method sip.Status-Code".split()
FIELDS += ["_ws.malformed", "_ws.expert.message", "sip.resend"]


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that speaks SIP, or with which Wireshark finds fault."""

    source: str
    to: str
    number: str
    words: list[str]
    """Its methods and statuses: a TCP segment may have several."""
    faults: list[str]
    is_repeated: bool = False
    """Sent once more over UDP, because a busy machine was slow to answer."""


class Capture:
    """A capture that has ended."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @functools.cached_property
    def frames(self) -> list[Frame]:
        """All of them, read once."""
        done = subprocess.run(
            [
                *("tshark", "-n", "-2", "-r", str(self.file), *AS_SIP),
                *("-o", "tcp.analyze_sequence_numbers:FALSE"),  # that is the kernel's
                *("-Y", "!icmp && (udp || sip || _ws.malformed || _ws.expert)"),
                *("-T", "fields", "-E", f"aggregator={SEPARATOR}"),
                *(word for name in FIELDS for word in ("-e", name)),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return [_frame(line.split("\t")) for line in done.stdout.splitlines()]

    def complaints(self, source: str, dns: str) -> list[str]:
        """What Wireshark has against the frames of ``source``, those to DNS aside."""
        return [
            f"frame {frame.number}: {fault}"
            for frame in self.frames
            if frame.source == source and frame.to != dns
            for fault in frame.faults
        ]

    def lacks(self, source: str, words: list[str]) -> list[str]:
        """Those of the methods and statuses that ``source`` never sent."""
        sent = self.messages(source)
        return [word for word in words if not sent[word]]

    def messages(self, source: str) -> Counter[str]:
        """How often ``source`` sent each method and each status, repetitions aside."""
        ours = (
            frame.words
            for frame in self.frames
            if frame.source == source and not frame.is_repeated
        )
        return Counter(word for words in ours for word in words)


def _frame(row: list[str]) -> Frame:
    source, to, number, port, methods, statuses, malformed, messages, again = row
    words = [x for x in f"{methods}{SEPARATOR}{statuses}".split(SEPARATOR) if x]
    faults = ["no SIP"] if port and not words else []
    faults += ["malformed"] if malformed else []
    faults += [
        message
        for message in messages.split(SEPARATOR)
        if message and not ALLOWED.fullmatch(message)
    ]
    return Frame(source, to, number, words, faults, again in ("1", "True"))


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
