"""A small DNS server for the lab and for tests: one zone held in a dict, UDP and TCP.

It answers SRV, NAPTR, A, AAAA, CNAME and whatever else dnspython can read, follows
CNAMEs inside its records, tells "no such name" from "no such record", and truncates
over UDP.  It is not a name server for other uses: no delegation, no transfer, no
DNSSEC, loopback only.
"""

import asyncio
import struct
from collections.abc import Iterable, Mapping
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zonefile

from proxy.sip.host import host_port

Records = Mapping[str, str | Iterable[str]]

# The SOA that goes with "does not exist": its minimum is the negative TTL (RFC 2308).
SOA = "ns.invalid. hostmaster.invalid. 1 3600 600 86400 {ttl}"
TRIES = 20


class ZoneServer:
    """Serves ``records``: ``{"_sip._udp.pool.test SRV": ["10 60 5060 fe1.test"]}``.

    Keys are ``"name TYPE"``, values the text of one record or of several, names in
    both without or with their final dot; or the lines of a master file as one string.
    `set` and `remove` change records at run time.  ``ttl`` is in seconds, ``host``
    numeric; with ``port`` 0 the system chooses, and ``address`` says what it chose.
    """

    def __init__(
        self,
        records: Records | str,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        ttl: int = 60,
        negative_ttl: int = 60,
    ) -> None:
        self.host = host
        self.port = port
        self.ttl = ttl
        self.negative_ttl = negative_ttl
        self._zone: dict[tuple[dns.name.Name, int], tuple[list[str], int | None]] = {}
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        if isinstance(records, str):
            self._read_lines(records)
        else:
            for key, values in records.items():
                self.set(key, values)

    @property
    def address(self) -> str:
        """``host:port`` as the resolver's configuration wants it."""
        return host_port(self.host, self.port)

    # -- the zone -------------------------------------------------------------

    def set(
        self, key: str, values: str | Iterable[str], *, ttl: int | None = None
    ) -> None:
        """Put these records in the place of what was there under ``"name TYPE"``.

        Raises dns.exception.DNSException when a record cannot be read.
        """
        name, rdtype = _key(key)
        texts = [values] if isinstance(values, str) else list(values)
        self._zone[name, rdtype] = (texts, ttl)
        self._rrset(name, rdtype)

    def remove(self, key: str) -> None:
        """Take records away: ``"name TYPE"``, or ``"name"`` for all types."""
        if " " in key:
            self._zone.pop(_key(key), None)
            return
        name = dns.name.from_text(key)
        for owner, rdtype in list(self._zone):
            if owner == name:
                del self._zone[owner, rdtype]

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """The response to a query, from the zone alone."""
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA | dns.flags.RA
        question = query.question[0]
        name = question.name
        for _ in range(TRIES):
            found = self._rrset(name, question.rdtype)
            if found is not None:
                response.answer.append(found)
                return response
            alias = self._rrset(name, dns.rdatatype.CNAME)
            if alias is None:
                break
            response.answer.append(alias)
            name = alias[0].target
        if not any(owner.is_subdomain(name) for owner, _ in self._zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        response.authority.append(
            dns.rrset.from_text(
                dns.name.root,
                self.negative_ttl,
                dns.rdataclass.IN,
                dns.rdatatype.SOA,
                SOA.format(ttl=self.negative_ttl),
            )
        )
        return response

    def _read_lines(self, text: str) -> None:
        for rrset in dns.zonefile.read_rrsets(text, rdclass=None, default_ttl=self.ttl):
            texts = [rdata.to_text() for rdata in rrset]
            self._zone[rrset.name, rrset.rdtype] = (texts, rrset.ttl)

    def _rrset(self, name: dns.name.Name, rdtype: int) -> dns.rrset.RRset | None:
        texts, ttl = self._zone.get((name, rdtype), ([], None))
        if not texts:
            return None
        return dns.rrset.from_text_list(
            name,
            self.ttl if ttl is None else ttl,
            dns.rdataclass.IN,
            dns.rdatatype.RdataType.make(rdtype),
            texts,
            origin=dns.name.root,
            relativize=False,
        )

    # -- the network ----------------------------------------------------------

    async def start(self) -> None:
        """Open UDP and TCP on one port; raises OSError when it is taken."""
        loop = asyncio.get_running_loop()
        for attempt in range(TRIES):
            self._tcp = await asyncio.start_server(self._stream, self.host, self.port)
            port = self._tcp.sockets[0].getsockname()[1]
            try:
                self._udp, _ = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(self), local_addr=(self.host, port)
                )
            except OSError:
                # Free for TCP, taken for UDP: only a chosen port is worth another try.
                self._tcp.close()
                if self.port or attempt == TRIES - 1:
                    raise
            else:
                self.port = port
                return

    async def stop(self) -> None:
        """Stop answering."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> "ZoneServer":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def respond(
        self, query: dns.message.Message, transport: str
    ) -> dns.message.Message | None:
        """What goes back over ``udp`` or ``tcp``; None is silence.

        A server that misbehaves overrides this.
        """
        return self.answer(query)

    def receive_datagram(self, data: bytes, peer: Any) -> None:
        """Answer one datagram in a task of its own, so that one delay delays one."""
        task = asyncio.get_running_loop().create_task(self._datagram(data, peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _datagram(self, data: bytes, peer: Any) -> None:
        query = _read(data)
        response = await self.respond(query, "udp") if query is not None else None
        if query is None or response is None or self._udp is None:
            return
        size = query.payload or 512
        try:
            wire = response.to_wire(max_size=size)
        except dns.exception.TooBig:
            truncated = dns.message.make_response(query)
            truncated.flags |= dns.flags.TC
            wire = truncated.to_wire()
        if not self._udp.is_closing():
            self._udp.sendto(wire, peer)

    async def _stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                query = _read(await reader.readexactly(length))
                if query is None:
                    return
                response = await self.respond(query, "tcp")
                if response is not None:
                    wire = response.to_wire()
                    writer.write(struct.pack("!H", len(wire)) + wire)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    """Hands datagrams to the server."""

    def __init__(self, server: ZoneServer) -> None:
        self.server = server

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.server.receive_datagram(data, addr)


def _key(key: str) -> tuple[dns.name.Name, int]:
    name, rdtype = key.split()
    return dns.name.from_text(name), dns.rdatatype.from_text(rdtype)


def _read(data: bytes) -> dns.message.Message | None:
    """The query in these bytes; None for what is none."""
    try:
        query = dns.message.from_wire(data)
    except (dns.exception.DNSException, ValueError):
        return None
    is_query = not query.flags & dns.flags.QR and len(query.question) == 1
    return query if is_query else None
