"""The name servers that we ask, and how one question gets to one of them.

The servers are those of the configuration, or the system's: `/etc/resolv.conf` is
looked at again and again, because DHCP, VPNs and cloud-init write it while we run.  We
measure an answer before dnspython parses it (RFC 1035 section 4.1.1: the header counts
the records), so that no server can make us work for long.
"""

import asyncio
import os
import socket
from collections.abc import Iterator, Sequence
from typing import Any, Final

import dns.exception
import dns.message
import dns.nameserver
import dns.query

from proxy.pools.srv import is_numeric

DNS_PORT: Final = 53
RESOLV_CONF: Final = "/etc/resolv.conf"
MAX_RECORDS: Final = 160
"""Records of one answer that are read; a pool has a dozen."""
MAX_BYTES: Final = 16_384
_HEADER: Final = 12

Stamp = tuple[int, int, int]


class TooLarge(dns.exception.FormError):
    """An answer that would cost too much to read; another server may do better."""

    def __init__(self, what: str, limit: int) -> None:
        text = f"with {what}, where {limit} are read at most"
        super().__init__(text)  # type: ignore[no-untyped-call]


class BoundedNameserver(dns.nameserver.Do53Nameserver):
    """One server over UDP, and over TCP for what does not fit (RFC 7766)."""

    async def async_query(  # type: ignore[override]
        self,
        request: dns.message.QueryMessage,
        timeout: float,
        *,
        max_size: bool,
        **more: Any,
    ) -> dns.message.Message:
        """What dnspython's resolver calls: the answer to one message."""
        try:
            async with asyncio.timeout(timeout):
                if max_size:
                    return await self._over_tcp(request)
                return await self._over_udp(request)
        except TimeoutError:
            raise dns.exception.Timeout from None

    async def _over_udp(self, request: dns.message.QueryMessage) -> dns.message.Message:
        loop = asyncio.get_running_loop()
        with self._socket(socket.SOCK_DGRAM) as opened:
            # Connect, so that only this server's datagrams and ICMP come here.
            opened.connect((self.address, self.port))
            wire = request.to_wire()
            await loop.sock_sendall(opened, wire)
            while True:
                data = await loop.sock_recv(opened, 65_535)
                if data[:2] == wire[:2]:
                    response = _read(data, may_be_cut=True)
                    if request.is_response(response):
                        return response

    async def _over_tcp(self, request: dns.message.QueryMessage) -> dns.message.Message:
        loop = asyncio.get_running_loop()
        with self._socket(socket.SOCK_STREAM) as opened:
            await loop.sock_connect(opened, (self.address, self.port))
            wire = request.to_wire()
            await loop.sock_sendall(opened, len(wire).to_bytes(2, "big") + wire)
            size = int.from_bytes(await _exactly(opened, 2), "big")
            if size > MAX_BYTES:
                raise TooLarge(f"{size} bytes", MAX_BYTES)
            response = _read(await _exactly(opened, size), may_be_cut=False)
        if not request.is_response(response):
            raise dns.query.BadResponse
        return response

    def _socket(self, kind: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        opened = socket.socket(family, kind)
        opened.setblocking(False)
        return opened


async def _exactly(opened: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < count:
        piece = await loop.sock_recv(opened, count - len(data))
        if not piece:
            raise EOFError("closed the connection in the middle of its answer")
        data += piece
    return data


def _read(data: bytes, *, may_be_cut: bool) -> dns.message.Message:
    """Parse an answer of limited size; raises a DNSException."""
    if len(data) < _HEADER:
        raise dns.message.ShortHeader
    if may_be_cut and data[2] & 0x02:  # TC: ask again over TCP for the whole answer
        raise dns.message.Truncated
    if len(data) > MAX_BYTES:
        raise TooLarge(f"{len(data)} bytes", MAX_BYTES)
    answers, authorities = (int.from_bytes(data[i : i + 2], "big") for i in (6, 8))
    if answers + authorities > MAX_RECORDS:
        raise TooLarge(f"{answers + authorities} records", MAX_RECORDS)
    # We need nothing from the additional section: leave it unread.
    return dns.message.from_wire(data[:10] + b"\0\0" + data[12:], ignore_trailing=True)


class NameServers:
    """The servers in force; ``configured`` None means the system's, at ``path``.

    Raises ValueError for a configured server that is not an address.
    """

    def __init__(
        self, configured: Sequence[str] | None, path: str = RESOLV_CONF
    ) -> None:
        self._path = path
        self._stamp: Stamp | None = None
        self._is_systems = configured is None
        self.servers: Sequence[dns.nameserver.Nameserver] = []
        if configured is None:
            self.look_again()
        else:
            self.servers = [parse_nameserver(text) for text in configured]

    @property
    def addresses(self) -> list[str]:
        """The servers for display, ``host:port``."""
        return [shown(server) for server in self.servers]

    @property
    def absence(self) -> str:
        """Why there is no name server to ask."""
        if self._is_systems:
            return f"{self._path} names no name server"
        return "no name server is configured"

    def look_again(self) -> bool:
        """Read the system's file if it has changed; True when the servers changed.

        A file without servers, or no file, changes nothing: somebody is writing it, and
        the old servers are better than none.
        """
        if not self._is_systems:
            return False
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        found = list(_servers_of(self._path))
        if not found or [shown(x) for x in found] == self.addresses:
            return False
        self.servers = found
        return True


def parse_nameserver(text: str) -> BoundedNameserver:
    """``host``, ``host:port`` or ``[v6]:port``; raises ValueError with a sentence."""
    host, port = text, str(DNS_PORT)
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, port = text.split(":")
    if not is_numeric(host) or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(
            f"name server {text!r} is not an address: write 192.0.2.53:53 or "
            "[2001:db8::53]:53"
        )
    return BoundedNameserver(host, int(port))


def shown(server: object) -> str:
    """A name server without dnspython's decoration (``Do53:192.0.2.53@53``)."""
    return str(server).removeprefix("Do53:").replace("@", ":")


def _stamp(path: str) -> Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_ino, found.st_size)


def _servers_of(path: str) -> Iterator[BoundedNameserver]:
    """The ``nameserver`` lines (resolv.conf(5)); search domains are not for us."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(65_536).splitlines()
    except OSError:
        return
    for line in lines:
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver" and is_numeric(words[1]):
            yield BoundedNameserver(words[1], DNS_PORT)
