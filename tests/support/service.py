"""`waypost serve` as a child with a configuration of its own, and what to ask it.

Unlike `scene.py` there is no pool and no zone: this is about the process itself, its
sockets, signals and listener.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from proxy.lab.service import command
from tests.support.ports import free_port

HOST = "127.0.0.16"
TEXT = """
[proxy]
domains = ["contoso.test"]
[[listen]]
transport = "udp"
address = "{host}:{port}"
[[listen]]
transport = "tcp"
address = "{host}:{port}"
[store]
url = "sqlite:///waypost.db"
[admin]
listen = "{host}:{admin}"
[attempts]
total = {total}
[routes]
default = "sip:{next_hop};transport=udp"
[server]
drain_seconds = {drain}
"""


@dataclass
class ServiceProcess:
    """One process; `start` waits until it is ready unless told otherwise.

    ``waypost`` is the command, without a word behind it.
    """

    directory: Path
    port: int
    admin: int
    environment: dict[str, str] = field(default_factory=dict)
    sockets: list[socket.socket] = field(default_factory=list)
    child: "subprocess.Popen[bytes] | None" = None
    waypost: list[str] = field(default_factory=command)

    @property
    def config(self) -> Path:
        return self.directory / "waypost.toml"

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text()

    def start(self, is_ready: bool = True) -> None:
        """Start it, handing over ``sockets`` as a service manager does."""
        line = [*self.waypost, "--config", str(self.config), "serve"]
        if self.sockets:
            line = [sys.executable, "-c", _HAND_OVER, str(len(self.sockets)), *line]
        with (self.directory / "log").open("ab") as log:
            self.child = subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                pass_fds=[each.fileno() for each in self.sockets],
                start_new_session=True,
            )
        for _ in range(1200 if is_ready else 0):
            if self.child.poll() is not None:
                raise AssertionError(self.log)
            if self.get("/ready")[0] == 200:
                return
            time.sleep(0.025)

    def wait_for_log(self, word: str, seconds: float = 20) -> None:
        """Wait until it has logged something."""
        end = time.monotonic() + seconds
        while word not in self.log:
            assert self.child is not None and self.child.poll() is None, self.log
            assert time.monotonic() < end, self.log
            time.sleep(0.02)

    def get(self, path: str, method: str = "GET", token: str = "") -> tuple[int, str]:
        """Status and body of a page; status 0 when nobody answers."""
        connection = http.client.HTTPConnection(HOST, self.admin, timeout=10)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def signal(self, number: signal.Signals) -> None:
        assert self.child is not None
        self.child.send_signal(number)

    def wait(self, timeout: float = 30) -> int:
        """Its exit code."""
        assert self.child is not None
        return self.child.wait(timeout)

    def end(self) -> None:
        if self.child is not None and self.child.poll() is None:
            self.child.kill()
            self.child.wait()


# Puts the inherited sockets to 3, 4, ... and becomes the service, with its own pid in
# LISTEN_PID: the protocol of sd_listen_fds(3).
_HAND_OVER = """
import os, sys
count = int(sys.argv[1])
found = sorted(int(x) for x in os.environ["TEST_FDS"].split(","))
copies = [os.dup(x) for x in found]
high = [os.dup2(x, 100 + n) for n, x in enumerate(copies)]
for n, x in enumerate(high):
    os.dup2(x, 3 + n, inheritable=True)
os.environ["LISTEN_FDS"], os.environ["LISTEN_PID"] = str(count), str(os.getpid())
os.closerange(3 + count, 200)
os.execvp(sys.argv[2], sys.argv[2:])
"""


def new_service(
    directory: Path,
    *,
    sockets: list[socket.socket] | None = None,
    drain: float = 5.0,
    total: float = 12.0,
    next_hop: str = f"{HOST}:9",
    **environment: str,
) -> ServiceProcess:
    """A service that is not started yet."""
    sockets = sockets or []
    port = sockets[0].getsockname()[1] if sockets else free_port(HOST)
    admin = free_port(HOST)
    if sockets:
        environment["TEST_FDS"] = ",".join(str(each.fileno()) for each in sockets)
    service = ServiceProcess(directory, port, admin, environment, sockets)
    service.config.write_text(
        TEXT.format(
            host=HOST,
            port=port,
            admin=admin,
            drain=drain,
            total=total,
            next_hop=next_hop,
        )
    )
    return service


def sip_request(method: str, to_tag: str = "", *, branch: str, port: int) -> bytes:
    """A request as a client at HOST:``port`` sends it."""
    tag = f";tag={to_tag}" if to_tag else ""
    return (
        f"{method} sip:bob@contoso.test SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {HOST}:{port};branch=z9hG4bK{branch}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:alice@contoso.test>;tag=a\r\n"
        f"To: <sip:bob@contoso.test>{tag}\r\nCall-ID: {branch}\r\nCSeq: 1 {method}\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()
