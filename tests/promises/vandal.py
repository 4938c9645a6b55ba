"""A peer that behaves badly, as a process of its own: KIND HOST PORT SECONDS."""

import contextlib
import os
import selectors
import socket
import sys
import time

KINDS = ("slow reader", "slowloris", "idle openers", "malformed flood", "large blanks")
SOURCE = "127.0.96."  # beside the callers' network
CONNECTIONS = 200
FLOOD = 10_000  # datagrams a second
OPTIONS = (
    b"OPTIONS sip:%b SIP/2.0\r\nVia: SIP/2.0/%b 127.0.96.1:5060;rport;branch=z9hG4bK%d"
    b"\r\nMax-Forwards: 70\r\nFrom: <sip:v@contoso.test>;tag=1\r\nTo: <sip:%b>\r\n"
    b"Call-ID: %d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


def main(kind: str, host: str, port: int, seconds: float) -> None:
    """Behave badly for so long.

    A bad peer has a machine of its own.  Here it takes what the callers and the front
    end leave of a core, and gives way at once (SCHED_IDLE): even at the lowest of the
    usual priorities it would keep the core for some milliseconds at a time.
    """
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    end = time.monotonic() + seconds
    if kind in ("malformed flood", "large blanks"):
        flood(kind, (host, port), end)
    else:
        connections(kind, (host, port), end)


def connections(kind: str, proxy: tuple[str, int], end: float) -> None:
    """Connections that say nothing, next to nothing, or ask and never read."""
    opened = []
    for number in range(CONNECTIONS):
        each = socket.socket()
        if kind == "slow reader":
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        each.bind((f"{SOURCE}{number % 4 + 1}", 0))
        with contextlib.suppress(OSError):
            each.connect(proxy)
            each.setblocking(False)
            opened.append(each)
    print("begun", flush=True)
    me, place = f"{proxy[0]}:{proxy[1]}".encode(), 0
    with selectors.DefaultSelector():
        while time.monotonic() < end:
            for each in opened:
                place += 1
                with contextlib.suppress(OSError):
                    if kind == "slow reader":
                        each.send(OPTIONS % (me, b"TCP", place, me, place))
                    elif kind == "slowloris":
                        each.send(b"O")
            time.sleep(0.05 if kind == "slow reader" else 1.0)


def flood(kind: str, proxy: tuple[str, int], end: float) -> None:
    """Datagrams that nobody can read, at a steady pace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((f"{SOURCE}1", 0))
        udp.setblocking(False)
        me = f"{proxy[0]}:{proxy[1]}".encode()
        whole = OPTIONS % (me, b"UDP", 1, me, 1)
        data = whole.replace(b"CSeq: 1", b"CSeq: one")
        rate = FLOOD
        if kind == "large blanks":
            data = whole.replace(b"From: ", b"From:" + b" " * 60_000)
            rate = 60
        print("begun", flush=True)
        started, sent = time.monotonic(), 0
        while (now := time.monotonic()) < end:
            while sent < (now - started) * rate:
                with contextlib.suppress(OSError):
                    udp.sendto(data, proxy)
                sent += 1
            time.sleep(0.001)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
