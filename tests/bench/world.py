"""The bench's own small world: a network namespace with a DNS server in it.

The proxies under test find the pool over SRV at 127.0.0.1:53, which is the system's
resolver in there.  Where namespaces are not allowed the bench runs on the machine's
own loopback, and Kamailio (which knows only the system's resolver) gets addresses.
"""

import copy
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.certificates import Authority

DOMAIN = "contoso.test"
POOL = f"pcpool.{DOMAIN}"
PROXY = ("127.0.0.10", 5060)
PROXY_TLS = ("127.0.0.10", 5061)
FRONT_ENDS = (("127.0.0.11", 5080), ("127.0.0.12", 5082))
SECURE_FRONT_ENDS = (("127.0.0.11", 5081), ("127.0.0.12", 5083))
CALLER = "127.0.0.13"
TUNNEL = ("127.0.0.14", 5061)  # where the callers' stunnel listens
INSIDE = "WAYPOST_BENCH_INSIDE"


def enter(arguments: list[str], module: str = "tests.bench") -> None:
    """Start ``module`` again inside the namespace; returns when that cannot be."""
    if os.environ.get(INSIDE):
        return
    unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"]
    if os.geteuid() != 0:
        unshare += ["--user", "--map-root-user"]
    unshare.append("--mount-proc")
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        print("no namespaces here: Kamailio gets addresses instead of SRV records")
        return
    line = [*unshare, sys.executable, "-m", module, *arguments]
    sys.exit(subprocess.call(line, env={**os.environ, INSIDE: "1"}))


class World:
    """Network and DNS; a context manager.  DNS names so many ``front_ends``."""

    def __init__(self, front_ends: int = 2) -> None:
        self._more = front_ends - len(FRONT_ENDS)
        self.isolated = bool(os.environ.get(INSIDE))
        self.dns = ("127.0.0.1", 53) if self.isolated else ("127.0.0.53", 5454)
        self._temporary = tempfile.TemporaryDirectory(prefix="waypost-bench-")
        self.directory = Path(self._temporary.name)
        self.authority: Authority | None = None  # made for the first that wants TLS
        self.proxy, self.proxy_tls, self.tunnel = PROXY, PROXY_TLS, TUNNEL

    def beside(self, number: int) -> "World":
        """The same network for one more proxy: addresses and a folder of its own."""
        if self.authority is None:
            self.authority = Authority(self.directory)
        other = copy.copy(self)
        other.directory = self.directory / str(number)
        other.directory.mkdir()
        host = f"127.0.0.{20 + number}"
        other.proxy, other.proxy_tls = (host, PROXY[1]), (host, PROXY_TLS[1])
        other.tunnel = TUNNEL[0], TUNNEL[1] + 2 * number
        return other

    @property
    def kamailio_target(self) -> str:
        """What Kamailio sends to: the pool's name where it can look it up."""
        host, port = FRONT_ENDS[0]
        return f"sip:{POOL}" if self.isolated else f"sip:{host}:{port}"

    def __enter__(self) -> "World":
        if self.isolated:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            resolv = self.directory / "resolv.conf"
            resolv.write_text(f"nameserver {self.dns[0]}\n")
            real = os.path.realpath("/etc/resolv.conf")
            subprocess.run(["mount", "--bind", str(resolv), real], check=True)
        self._dnsmasq = subprocess.Popen(
            ["dnsmasq", "-k", f"--conf-file={self._zone()}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(0.3)
        return self

    def __exit__(self, *_: object) -> None:
        self._dnsmasq.kill()
        self._dnsmasq.wait()
        if self.isolated:
            real = os.path.realpath("/etc/resolv.conf")
            subprocess.run(["umount", real], check=False)
        self._temporary.cleanup()

    def _zone(self) -> Path:
        host, port = self.dns
        lines = [
            *("no-resolv", "no-hosts", "no-poll", f"local=/{DOMAIN}/", "user=root"),
            *(f"listen-address={host}", "bind-interfaces", f"port={port}"),
            *("local-ttl=300", f"pid-file={self.directory}/dnsmasq.pid"),
        ]
        for number, (address, port) in enumerate(FRONT_ENDS, 1):
            name = f"fe{number}.{DOMAIN}"
            lines.append(f"host-record={name},{address}")
            lines += [
                f"srv-host={service}.{POOL},{name},{port},{number * 10},60"
                for service in ("_sip._udp", "_sip._tcp")
            ]
            secure = SECURE_FRONT_ENDS[number - 1][1]
            lines.append(f"srv-host=_sips._tcp.{POOL},{name},{secure},{number * 10},60")
        for number in range(self._more):
            # Further ones in the list, which nobody has to turn to.
            name = f"more{number}.{DOMAIN}"
            lines.append(f"host-record={name},127.0.2.{number + 1}")
            lines.append(f"srv-host=_sip._udp.{POOL},{name},5080,{number + 40},60")
        path = self.directory / "dnsmasq.conf"
        path.write_text("\n".join(lines) + "\n")
        return path
