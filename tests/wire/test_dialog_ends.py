"""Each end of a dialog reaches the other one, over real sockets, with two workers.

Both ends build their requests as RFC 3261 section 12.2 has it: route set and remote
target are what they were sent.
"""

import asyncio
import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from proxy.lab.dns_server import ZoneServer
from tests.support.dialogs import routes_of, target_of
from tests.support.messages import read, response
from tests.support.service import HOST, ServiceProcess, new_service
from tests.support.warm import run_now

ALICE, BOB = "<sip:alice@contoso.test>;tag=a1", "<sip:bob@contoso.test>"
ALIAS, POOL = "sip:ocschat@contoso.test", "pcpool.contoso.test"
NAT, CALLER = "127.0.0.87", "127.0.0.88"
REGISTRAR = """
[registrar]
enabled = true
trusted_networks = ["127.0.0.0/8"]
"""
_serial = itertools.count(1)


class End:
    """One user agent on one socket: `udp`, or `tcp` (a connection to the proxy)."""

    def __init__(self, kind: str, host: str, proxy: tuple[str, int]) -> None:
        self.kind, self.proxy = kind, proxy
        type_ = socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM
        self.socket = socket.socket(socket.AF_INET, type_)
        self.socket.bind((host, 0))
        if kind == "tcp":
            self.socket.connect(proxy)
        self._data = b""

    def __enter__(self) -> "End":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    @property
    def address(self) -> str:
        return "{}:{}".format(*self.socket.getsockname())

    @property
    def contact(self) -> str:
        return f"sip:x@{self.address};transport={self.kind}"

    def send(self, data: bytes) -> None:
        if self.kind == "udp":
            self.socket.sendto(data, self.proxy)
        else:
            self.socket.sendall(data)

    def request(self, start: str, *lines: str, cseq: int = 1, **more: str) -> None:
        """Send a request; ``via`` is what the Via says besides its branch."""
        via = more.get("via", self.address)
        branch = f"z9hG4bK-ends{next(_serial)}"
        head = [
            f"{start} SIP/2.0",
            f"Via: SIP/2.0/{self.kind.upper()} {via};branch={branch}",
            *([f"Via: {more['below']}"] if "below" in more else []),
            "Max-Forwards: 70",
            f"From: {more.get('from_', ALICE)}",
            f"To: {more.get('to', BOB)}",
            f"Call-ID: {more.get('call', 'call')}",
            f"CSeq: {cseq} {start.partition(' ')[0]}",
            *lines,
            "Content-Length: 0",
        ]
        self.send("\r\n".join([*head, "", ""]).encode())

    def receive(self, *starts: str, timeout: float = 5.0) -> bytes:
        """The next message that begins so; empty when none comes."""
        self.socket.settimeout(timeout)
        with suppress(TimeoutError):
            while True:
                message = self._next()
                if message.startswith(tuple(x.encode() for x in starts)):
                    return message
        return b""

    def _next(self) -> bytes:
        if self.kind == "udp":
            return self.socket.recv(65535)
        while b"\r\n\r\n" not in self._data:
            more = self.socket.recv(65535)
            if not more:
                raise TimeoutError
            self._data += more
        message, end, self._data = self._data.partition(b"\r\n\r\n")
        return message + end

    def answer(self, data: bytes, status: int, *lines: str) -> None:
        self.send(response(data, status, *lines, to_tag="b1"))


@contextmanager
def running(directory: Path, text: str, **environment: str) -> Iterator[ServiceProcess]:
    environment.setdefault("WAYPOST_SERVER_WORKERS", "2")
    service = new_service(directory, **environment)
    with service.config.open("a") as file:
        file.write(text)
    service.start()
    try:
        yield service
        assert "Traceback" not in service.log
    finally:
        service.end()


def invite(caller: End, callee: End, uri: str, *lines: str, **more: str):
    """The INVITE as it arrived and the 200 as it arrived."""
    contact = more.pop("contact", caller.contact)
    their = more.pop("their", callee.contact)
    caller.request(f"INVITE {uri}", f"Contact: <{contact}>", *lines, **more)
    arrived = callee.receive("INVITE ")
    assert arrived, "the INVITE did not reach the callee"
    callee.answer(arrived, 200, f"Contact: <{their}>")
    answer = caller.receive("SIP/2.0 200")
    assert answer
    return arrived, answer


def up(caller: End, method: str, answer: bytes, cseq: int, *lines: str) -> None:
    to = (read(answer).value("to") or b"").decode()
    routes = [f"Route: {x}" for x in routes_of(answer)[::-1]]
    start = f"{method} {target_of(answer, '')}"
    caller.request(start, *routes, *lines, to=to, cseq=cseq)


def down(callee: End, method: str, arrived: bytes, uri: str = "") -> None:
    routes = [f"Route: {x}" for x in routes_of(arrived)]
    start = f"{method} {uri or target_of(arrived, '')}"
    callee.request(start, *routes, from_=f"{BOB};tag=b1", to=ALICE, cseq=70)


# -- a callee behind a NAT -----------------------------------------------------------


@pytest.mark.parametrize("kind", ["udp", "tcp", "tcp without transport"])
def test_a_callee_behind_a_nat_gets_all_of_its_call(tmp_path, kind) -> None:
    """Whichever worker has its connection, and whichever meets the caller."""
    transport = kind.partition(" ")[0]
    with running(tmp_path, REGISTRAR) as service, ExitStack() as stack:
        proxy = (HOST, service.port)
        callee = stack.enter_context(End(transport, NAT, proxy))
        suffix = f";transport={transport}" if kind == transport else ""
        private = f"sip:bob@192.168.7.7:5099{suffix}"
        callee.request(
            "REGISTER sip:contoso.test",
            f'Contact: <{private}>;+sip.instance="<urn:uuid:1>"',
            from_=f"{BOB};tag=r",
            via="192.168.7.7:5099;rport",
        )
        assert callee.receive("SIP/2.0 200")
        for number in range(4):
            caller = stack.enter_context(End("udp", CALLER, proxy))
            _, answer = invite(
                *(caller, callee, "sip:bob@contoso.test"),
                their=private,
                call=f"nat{number}",
            )
            for cseq, method in ((1, "ACK"), (2, "INFO"), (3, "BYE")):
                up(caller, method, answer, cseq)
                got = callee.receive(method)
                assert got.startswith(f"{method} {private} ".encode())
                if method != "ACK":
                    callee.answer(got, 200)
                    assert caller.receive("SIP/2.0 200")


# -- a caller that is not where its INVITE came from ---------------------------------


def test_a_proxy_that_does_not_record_route_is_passed_by(tmp_path) -> None:
    with ExitStack() as stack:
        callee = stack.enter_context(End("udp", HOST, ("", 0)))
        where = {"next_hop": callee.address}
        service = stack.enter_context(running(tmp_path, "", **where))
        callee.proxy = proxy = (HOST, service.port)
        for kind in ("udp", "tcp"):
            upstream = stack.enter_context(End(kind, NAT, proxy))
            caller = stack.enter_context(End("udp", CALLER, proxy))
            arrived, _ = invite(
                *(upstream, callee, "sip:bob@contoso.test"),
                contact=caller.contact,
                below=f"SIP/2.0/UDP {caller.address};branch=z9hG4bK-below",
                call=f"upstream {kind}",
            )
            down(callee, "BYE", arrived)
            assert caller.receive("BYE ")
            assert not upstream.receive("BYE ", timeout=0.2)


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_a_caller_that_has_moved_is_called_at_its_new_address(tmp_path, kind) -> None:
    with ExitStack() as stack:
        callee = stack.enter_context(End("udp", HOST, ("", 0)))
        where = {"next_hop": callee.address}
        service = stack.enter_context(running(tmp_path, "", **where))
        callee.proxy = proxy = (HOST, service.port)
        before = stack.enter_context(End(kind, NAT, proxy))
        after = stack.enter_context(End(kind, CALLER, proxy))
        arrived, answer = invite(before, callee, "sip:bob@contoso.test")
        up(before, "ACK", answer, 1)
        assert callee.receive("ACK ")
        up(after, "INVITE", answer, 2, f"Contact: <{after.contact}>")
        again = callee.receive("INVITE ")
        callee.answer(again, 200, f"Contact: <{callee.contact}>")
        assert after.receive("SIP/2.0 200")
        down(callee, "BYE", arrived, target_of(again, ""))
        assert after.receive("BYE ")
        assert not before.receive("BYE ", timeout=0.2)


def test_a_caller_that_listens_at_another_port_is_called_there(tmp_path) -> None:
    with ExitStack() as stack:
        callee = stack.enter_context(End("udp", HOST, ("", 0)))
        where = {"next_hop": callee.address}
        service = stack.enter_context(running(tmp_path, "", **where))
        callee.proxy = proxy = (HOST, service.port)
        sender = stack.enter_context(End("udp", CALLER, proxy))
        listener = stack.enter_context(End("udp", CALLER, proxy))
        sender.request(
            "INVITE sip:bob@contoso.test",
            f"Contact: <{listener.contact}>",
            via=listener.address,
        )
        arrived = callee.receive("INVITE ")
        callee.answer(arrived, 200, f"Contact: <{callee.contact}>")
        assert listener.receive("SIP/2.0 200")
        down(callee, "BYE", arrived)
        assert listener.receive("BYE ")


# -- the front end that made the dialog ----------------------------------------------


@contextmanager
def name_server(records: dict[str, list[str]]) -> Iterator[str]:
    """A zone in a thread of its own; where it is."""
    ready, end = threading.Event(), threading.Event()
    where: list[str] = []

    async def run() -> None:
        async with ZoneServer(records) as zone:
            where.append(zone.address)
            ready.set()
            await asyncio.to_thread(end.wait)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield where[0]
    finally:
        end.set()
        thread.join()


@pytest.mark.parametrize(
    "contact",
    ["sip:fe.pcpool@contoso.test;gruu;opaque=srvr:Lookup:x", ALIAS, f"sip:x@{POOL}"],
)
def test_a_dialog_stays_with_the_front_end_that_made_it(tmp_path, contact) -> None:
    with ExitStack() as stack:
        front_ends = [
            stack.enter_context(End("udp", f"127.0.0.{host}", ("", 0)))
            for host in (85, 86)
        ]
        records = {f"_sip._udp.{POOL} SRV": []}
        for number, each in enumerate(front_ends):
            host, port = each.socket.getsockname()
            records[f"_sip._udp.{POOL} SRV"].append(f"10 50 {port} fe{number}.{POOL}.")
            records[f"fe{number}.{POOL} A"] = [host]
        dns = stack.enter_context(name_server(records))
        service = new_service(tmp_path, WAYPOST_SERVER_WORKERS="2")
        with service.config.open("a") as file:
            file.write(f'[dns]\nnameservers = ["{dns}"]\n')
        new = ("--config", str(service.config), "endpoint", "new")
        run_now(*new, "--sip-address", ALIAS, "--pool-fqdn", POOL).check_returncode()
        stack.callback(service.end)
        service.start()
        proxy = (HOST, service.port)
        for each in front_ends:
            each.proxy = proxy
        met: set[End] = set()
        # DNS shares calls by chance: go on until both front ends have had one.
        for number in itertools.takewhile(lambda n: n < 6 or len(met) < 2, range(60)):
            caller = stack.enter_context(End("udp", CALLER, proxy))
            caller.request(
                f"INVITE {ALIAS}", f"Contact: <{caller.contact}>", call=f"c{number}"
            )
            made_by, arrived = next(
                (each, got)
                for each in itertools.cycle(front_ends)
                if (got := each.receive("INVITE ", timeout=0.1))
            )
            met.add(made_by)
            made_by.answer(arrived, 200, f"Contact: <{contact}>")
            answer = caller.receive("SIP/2.0 200")
            for cseq, method in ((1, "ACK"), (2, "INFO"), (3, "INFO"), (4, "BYE")):
                up(caller, method, answer, cseq)
                got = made_by.receive(method)
                assert got, f"{method} went to another front end, or nowhere"
                if method != "ACK":
                    made_by.answer(got, 200)
                    assert caller.receive("SIP/2.0 200")
        assert len(met) == 2, "the pool shares its calls"


# -- nobody else ---------------------------------------------------------------------


def test_the_route_of_a_call_is_a_key_to_no_other_door(tmp_path) -> None:
    with ExitStack() as stack:
        callee = stack.enter_context(End("udp", HOST, ("", 0)))
        where = {"next_hop": callee.address}
        service = stack.enter_context(running(tmp_path, "", **where))
        callee.proxy = proxy = (HOST, service.port)
        caller = stack.enter_context(End("udp", CALLER, proxy))
        other = stack.enter_context(End("udp", NAT, proxy))
        _, answer = invite(caller, callee, "sip:bob@contoso.test")
        inner = stack.enter_context(socket.create_server(("127.0.0.89", 0)))
        inner.settimeout(0.5)
        victim = "{}:{}".format(*inner.getsockname())
        routes = [f"Route: {x}" for x in routes_of(answer)]
        to = f"{BOB};tag=b1"
        for sender in (caller, other):
            for method in ("SET", "INFO"):
                uri = f"sip:key@{victim};transport=tcp"
                sender.request(f"{method} {uri}", *routes, to=to, cseq=9)
                assert sender.receive("SIP/2.0 403")
            more = f"Route: <sip:{victim};transport=tcp;lr>"
            sender.request(f"INFO {callee.contact}", *routes, more, to=to, cseq=10)
            assert sender.receive("SIP/2.0 403")
        with pytest.raises(TimeoutError):
            inner.accept()
