"""What strangers write about addresses and identities, over real sockets.

One `waypost serve` on IPv4 and IPv6 whose default route is a socket of the test.
"""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.lab.service import Service
from tests.core.registrar.test_credentials import authorization
from tests.support.ports import free_port
from tests.wire.test_registrar import set_password

HOST, TRUSTED, STRANGER, OTHER = "127.0.0.57", "127.0.0.58", "127.0.0.59", "127.0.0.60"
DOMAIN = "contoso.test"
RIGHT = "correct horse"
LONG = "[0:0:0:0:0:0:0:1]"
CONFIG = """
[proxy]
domains = ["{domain}"]
advertised_host = "proxy.contoso.test"
trusted_networks = ["{trusted}/32"]
[[listen]]
transport = "udp"
address = "{host}:{port}"
[[listen]]
transport = "udp"
address = "[::1]:{six}"
[store]
url = "sqlite:///{store}"
[routes]
default = "sip:{host}:{next};transport=udp"
[registrar]
enabled = true
trusted_networks = ["{trusted}/32"]
[admin]
listen = ""
"""


class Peer:
    """A UDP socket that speaks enough SIP."""

    def __init__(self, to: tuple[str, int], host: str = STRANGER) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.settimeout(10.0)
        self.to = to
        name, self.port = self.socket.getsockname()[:2]
        self.me = f"[{name}]:{self.port}" if ":" in name else f"{name}:{self.port}"
        self.serial = 0

    def send(
        self, start: str, *lines: str, more: str = "", sent_by: str = "", to: str = ""
    ) -> None:
        self.serial += 1
        unique = f"{self.port}x{self.serial}"
        method, uri = start.split(" ")
        text = [
            f"{start} SIP/2.0",
            f"Via: SIP/2.0/UDP {sent_by or self.me};branch=z9hG4bK{unique}{more}",
            "Max-Forwards: 70",
            f"From: <sip:alice@{DOMAIN}>;tag={unique}",
            f"To: <{to or uri}>",
            f"Call-ID: {unique}",
            f"CSeq: {self.serial} {method}",
            *lines,
            "Content-Length: 0",
        ]
        data = "\r\n".join(text).encode() + b"\r\n\r\n"
        self.socket.sendto(data, self.to)

    def read(self) -> str:
        return self.socket.recv(65_535).decode()

    def asks(self, start: str, *lines: str, **more: str) -> str:
        self.send(start, *lines, **more)
        return self.read()

    def silent(self) -> bool:
        self.socket.settimeout(0.2)
        try:
            return not self.read()
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(10.0)


class World:
    """The proxy, the peers around it, and where its default route leads."""

    def __init__(self, directory: Path) -> None:
        self.address, self.six = (HOST, free_port(HOST)), ("::1", free_port("::1"))
        self.next = Peer(self.address, HOST)
        self.peers: list[Peer] = [self.next]
        self.config = directory / "waypost.toml"
        self.config.write_text(
            CONFIG.format(
                domain=DOMAIN,
                trusted=TRUSTED,
                host=HOST,
                port=self.address[1],
                six=self.six[1],
                next=self.next.port,
                store=directory / "waypost.db",
            )
        )
        self.service = Service(self.config, directory / "serve.log")

    def peer(self, host: str = STRANGER) -> Peer:
        made = Peer(self.six if ":" in host else self.address, host)
        self.peers.append(made)
        return made


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    await world.service.start(world.address)
    yield world
    await world.service.stop()
    for peer in world.peers:
        peer.socket.close()


def line_of(message: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*?)\r?$", message, re.M)
    assert found, message
    return found[1]


async def test_our_ipv6_address_and_our_name_are_ours_however_they_are_written(world):
    client = world.peer("::1")
    port = world.six[1]
    for uri in (
        f"sip:{LONG}:{port}",
        f"sip:[::1]:{port}",
        f"sip:proxy.contoso.test:{port}",
        "sip:proxy.contoso.test",
    ):
        assert client.asks(f"OPTIONS {uri}").startswith("SIP/2.0 200 ")
    spelled = client.asks(f"OPTIONS sip:{LONG}:{port}", sent_by=f"{LONG}:{client.port}")
    assert "received" not in line_of(spelled, "Via")
    routed = client.asks(f"OPTIONS sip:[::1]:{port}", f"Route: <sip:{LONG}:{port};lr>")
    assert routed.startswith("SIP/2.0 200 ")
    assert world.next.silent()


async def test_what_a_client_says_of_its_own_source_is_written_over(world):
    client = world.peer()
    answer = client.asks(
        f"OPTIONS sip:{HOST}:{world.address[1]}", more=";received=10.9.9.9;rport=9"
    )
    via = line_of(answer, "Via")
    assert via.endswith(f";received={STRANGER};rport={client.port}")


async def test_sips_does_not_leave_over_udp(world):
    bob, caller = world.peer(TRUSTED), world.peer()
    answer = bob.asks(
        f"REGISTER sip:{DOMAIN}",
        f"Contact: <sip:bob@{bob.me}>",
        to=f"sip:bob@{DOMAIN}",
    )
    assert answer.startswith("SIP/2.0 200 ")
    for uri in (f"sips:bob@{DOMAIN}", "sips:carol@far.test"):
        answer = caller.asks(f"MESSAGE {uri}")
        assert answer.startswith("SIP/2.0 480 ")
        assert '380 proxy.contoso.test "SIPS Not Allowed"' in answer
    assert bob.silent()
    assert world.next.silent()


async def test_a_contact_comes_back_well_formed_and_once(world):
    bob = world.peer(TRUSTED)

    def register(contact: str) -> str:
        start = f"REGISTER sip:{DOMAIN}"
        return bob.asks(start, f"Contact: {contact}", to=f"sip:bob@{DOMAIN}")

    for contact in (
        f'<sip:bob@{bob.me}>;expires="600"',
        f"<sip:b%6fb@{bob.me}>;expires",
        f'<sip:bob@{bob.me};x=1>;q=0.5;expires="Sat, 01 Dec 2040 16:00:00 GMT"',
    ):
        answer = register(contact)
        (line,) = re.findall(r"^Contact: (.*)\r$", answer, re.M)
        assert re.fullmatch(r"<[^<>]*>(;q=0\.5)?;expires=3600", line)


async def test_who_is_calling_is_not_for_strangers_to_say(world):
    claim = "P-Asserted-Identity: <sip:boss@contoso.test>"
    folded = f"{claim},\r\n <tel:+49123>"
    for host, is_believed in ((STRANGER, False), (TRUSTED, True)):
        world.peer(host).send("MESSAGE sip:carol@far.test", folded, "Subject: hello")
        seen = world.next.read()
        assert ("boss" in seen) == ("+49123" in seen) == is_believed
        assert "\r\nSubject: hello\r\n" in seen


def sign_in(client: Peer, password: str) -> int:
    """The status of a REGISTER that answers a challenge of its own."""

    def register(*lines: str) -> str:
        contact = f"Contact: <sip:alice@{client.me}>"
        start = f"REGISTER sip:{DOMAIN}"
        return client.asks(start, contact, *lines, to=f"sip:alice@{DOMAIN}")

    challenge = register()
    nonce = re.search(r'nonce="([^"]+)"', challenge)
    assert nonce, challenge
    answer = register(authorization(nonce[1], password=password))
    return int(answer.split(" ")[1])


async def test_passwords_cannot_be_guessed_and_the_user_gets_in_from_elsewhere(world):
    await set_password(world, "alice", RIGHT)
    attacker, alice = world.peer(), world.peer(OTHER)
    deadline = time.monotonic() + 15
    while sign_in(alice, RIGHT) != 200:  # a running proxy knows within a second
        assert time.monotonic() < deadline
        await asyncio.sleep(0.3)
    assert [sign_in(attacker, "wrong") for _ in range(10)] == [401] * 10
    began = time.monotonic()
    assert sign_in(attacker, RIGHT) == 503  # unseen, and late
    assert time.monotonic() - began > 1.5
    assert sign_in(alice, RIGHT) == 200
    log = world.service.log.read_text()
    assert log.count("source.guessing") == 1
    theirs = [x for x in log.splitlines() if f"udp:{attacker.me}" in x]
    assert len(theirs) == 10  # no line for a question, none for what was not looked at
    assert all('"rule": "wrong password"' in line for line in theirs)


async def test_who_dials_many_addresses_of_nobody_is_answered_late(tmp_path):
    world = World(tmp_path)
    text = world.config.read_text()
    world.config.write_text(re.sub(r"\[routes\]\n.*\n", "", text))
    await world.service.start(world.address)
    try:
        dial_many(world)
    finally:
        await world.service.stop()
        for peer in world.peers:
            peer.socket.close()


def dial_many(world):
    scanner = world.peer()
    uri = f"sip:{{}}@{HOST}:{world.address[1]}"
    for n in range(19):
        assert scanner.asks(f"OPTIONS {uri.format(n)}").startswith("SIP/2.0 404 ")
    began = time.monotonic()
    for n in range(19, 30):
        scanner.send(f"OPTIONS {uri.format(n)}")
    answer = world.peer().asks(f"OPTIONS sip:{HOST}:{world.address[1]}")
    assert answer.startswith("SIP/2.0 200 ")
    # Others are not answered late: this came before the first of the scanner's.
    scanner.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        scanner.read()
    scanner.socket.settimeout(10.0)
    assert scanner.read().startswith("SIP/2.0 404 ")
    assert time.monotonic() - began > 1.5
    assert world.service.log.read_text().count("source.scanning") == 1
