"""A real Redis of our own: a child on loopback that loses nothing it acknowledged."""

import contextlib
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.support.ports import free_port

HOST = "127.0.0.47"
READY_IN = 10.0


class RedisServer:
    """`redis-server` with an append-only file flushed at every write."""

    def __init__(self, directory: Path, *options: str, tls: bool = False) -> None:
        self.directory = directory
        self.port = free_port(HOST)
        self._options = options
        self._tls = tls
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it has loaded its data."""
        ports = ("--port", "0", "--tls-port") if self._tls else ("--port",)
        with (self.directory / "redis.log").open("ab") as log:
            self._child = subprocess.Popen(
                [
                    *("redis-server", *ports, str(self.port), "--bind", HOST),
                    *("--dir", str(self.directory), "--save", "", "--daemonize", "no"),
                    *("--appendonly", "yes", "--appendfsync", "always"),
                    *self._options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + READY_IN
        while not (self.connects() if self._options else self.answers()):
            assert self._child.poll() is None, self.log
            assert time.monotonic() < end, self.log
            time.sleep(0.01)

    @property
    def log(self) -> str:
        return (self.directory / "redis.log").read_text()

    def connects(self) -> bool:
        """Somebody listens."""
        with contextlib.suppress(OSError):
            socket.create_connection((HOST, self.port), 1).close()
            return True
        return False

    def answers(self) -> bool:
        """It is there and has its data."""
        return self.send("PING").startswith(b"+PONG")

    def send(self, line: str) -> bytes:
        """The answer to an inline command; empty when nobody answers."""
        with (
            contextlib.suppress(OSError),
            socket.create_connection((HOST, self.port), 1) as connection,
        ):
            connection.sendall(line.encode() + b"\r\n")
            return connection.recv(65536)
        return b""

    def clear(self) -> None:
        """Forget everything."""
        assert self.send("FLUSHALL") == b"+OK\r\n"

    def signal(self, number: signal.Signals) -> None:
        """To it alone."""
        assert self._child is not None
        self._child.send_signal(number)

    def kill(self) -> None:
        """As a power cut does."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None
