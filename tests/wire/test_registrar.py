"""The registrar over real sockets: what was acknowledged survives `kill -9`.

The real `waypost serve` as a child, a plain UDP and TCP client, and the commands that
an operator would type.
"""

import asyncio
import contextlib
import os
import re
import signal
import socket
import sqlite3
import time
from pathlib import Path

import pytest

from proxy.lab.service import Service, ServiceError
from proxy.sip.digest import _HASHERS, ha1_of, parse_credentials
from tests.support.ports import free_port
from tests.support.until import comes_true
from tests.support.warm import run, waypost

HOST = "127.0.0.43"
DOMAIN = "contoso.test"
LOOKUP = f"sip:ocschat@{DOMAIN}"
KILLS = int(os.environ.get("WAYPOST_KILLS", "10"))
CONFIG = """
[proxy]
domains = ["{domain}"]
[[listen]]
transport = "udp"
address = "{host}:{port}"
[[listen]]
transport = "tcp"
address = "{host}:{port}"
[store]
url = "sqlite:///{store}"
[dns]
nameservers = ["127.0.0.1:9"]
[registrar]
enabled = true
trusted_networks = ["127.0.0.44/32"]
[admin]
listen = ""
"""


class World:
    """A proxy in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.address = (HOST, free_port(HOST))
        self.config = directory / "waypost.toml"
        self.database = directory / "waypost.db"
        self.config.write_text(
            CONFIG.format(
                domain=DOMAIN, host=HOST, port=self.address[1], store=self.database
            )
        )
        self.service = Service(self.config, directory / "serve.log")

    async def start(self) -> None:
        await self.service.start(self.address)

    async def kill(self) -> None:
        os.kill(self.service.pid, signal.SIGKILL)
        await self.service.wait()

    async def restart(self) -> None:
        await self.kill()
        await self.start()

    async def run(self, *words: str):
        return await waypost(self.config, *words)

    @property
    def log(self) -> str:
        return self.service.log.read_text()


@pytest.fixture
async def world(tmp_path):
    world = World(tmp_path)
    await world.start()
    yield world
    await world.service.stop()


class Client:
    """One socket, UDP or TCP, trusted by its address or not."""

    def __init__(self, world: World, transport="udp", host="127.0.0.44") -> None:
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self.transport = transport
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.bind((host, 0))
        self.socket.connect(world.address)
        self.socket.settimeout(10.0)
        self.me = "{}:{}".format(*self.socket.getsockname())
        self.serial = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    @property
    def contact(self) -> str:
        return f"<sip:{self.me};transport={self.transport}>"

    def request(self, start: str, to: str, *lines: str) -> None:
        self.serial += 1
        method = start.partition(" ")[0]
        unique = f"{self.me}-{self.serial}"
        text = [
            f"{start} SIP/2.0",
            f"Via: SIP/2.0/{self.transport.upper()} {self.me};branch=z9hG4bK{unique}",
            "Max-Forwards: 70",
            f"From: <sip:alice@{DOMAIN}>;tag={unique}",
            f"To: <{to}>",
            f"Call-ID: {self.me}",
            f"CSeq: {self.serial} {method}",
            *lines,
            "Content-Length: 0",
        ]
        self.socket.sendall("\r\n".join(text).encode() + b"\r\n\r\n")

    def read(self) -> str:
        return self.socket.recv(65535).decode()

    def answer(self, request: str, status: str) -> None:
        """Respond with what a response has to copy (RFC 3261 section 8.2.6.2)."""
        kept = re.findall(r"^(?:Via|From|To|Call-ID|CSeq): .*$", request, re.M)
        lines = [f"SIP/2.0 {status}", *(line.rstrip("\r") for line in kept)]
        lines += [f"Contact: {self.contact}", "Content-Length: 0"]
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")

    def register(self, aor: str, *contacts: str, lines: tuple[str, ...] = ()) -> str:
        values = contacts or (self.contact,)
        contact_lines = (f"Contact: {value}" for value in values)
        self.request(f"REGISTER sip:{DOMAIN}", aor, *contact_lines, *lines)
        return self.read()


def status(message: str) -> int:
    return int(message.split(" ")[1])


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_who_registered_is_reached_by_invite_before_and_after_a_crash(
    world, transport
):
    with Client(world, transport) as lookup, Client(world) as caller:
        answer = lookup.register(LOOKUP, lines=("Expires: 600",))
        assert status(answer) == 200
        assert f"Contact: {lookup.contact};expires=600" in answer
        caller.request(f"INVITE {LOOKUP}", LOOKUP)
        assert lookup.read().startswith(f"INVITE {lookup.contact[1:-1]} SIP/2.0")
        await world.restart()
        if transport == "udp":  # a TCP client has to come back by itself
            caller.request(f"MESSAGE {LOOKUP}", LOOKUP)
            message = lookup.read()
            while not message.startswith("MESSAGE"):
                message = lookup.read()
        (binding,) = await world.run("binding", "list", LOOKUP)
        assert binding["contact"] == lookup.contact[1:-1]


@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE"])
async def test_the_lookup_servers_of_one_account_are_tried_in_order(world, method):
    """Each registers the same address: one is dead, one refuses, one serves."""
    with Client(world) as busy, Client(world) as serving, Client(world) as caller:
        with Client(world) as dead:
            dead.register(LOOKUP, f"{dead.contact};q=0.9")
        busy.register(LOOKUP, f"{busy.contact};q=0.5")
        serving.register(LOOKUP, f"{serving.contact};q=0.1")
        caller.request(f"{method} {LOOKUP}", LOOKUP, "Event: presence")
        refused = busy.read()
        assert refused.startswith(f"{method} {busy.contact[1:-1]} ")
        busy.answer(refused, "480 Temporarily Unavailable")
        served = serving.read()
        assert served.startswith(f"{method} {serving.contact[1:-1]} ")
        serving.answer(served, "200 OK")
        final = caller.read()
        while status(final) < 200:
            final = caller.read()
        assert status(final) == 200


async def test_a_binding_over_tcp_goes_with_the_connection_and_comes_back(world):
    with Client(world) as caller:
        with Client(world, "tcp") as first:
            instance = f'{first.contact};+sip.instance="<urn:uuid:1>"'
            assert status(first.register(LOOKUP, instance)) == 200

        def is_away() -> bool:
            caller.request(f"MESSAGE {LOOKUP}", LOOKUP)
            return status(caller.read()) == 480

        await comes_true(is_away)  # once the proxy has seen the end
        with Client(world, "tcp") as again:
            instance = f'{again.contact};+sip.instance="<urn:uuid:1>"'
            assert again.register(LOOKUP, instance).count("Contact:") == 1
            caller.request(f"MESSAGE {LOOKUP}", LOOKUP)
            assert again.read().startswith("MESSAGE")


async def test_a_stranger_needs_a_password_that_the_operator_gave(world):
    with Client(world, host="127.0.0.45") as client:
        aor = f"sip:alice@{DOMAIN}"
        challenge = client.register(aor)
        assert status(challenge) == 401
        await set_password(world, "alice", "correct horse")

        def nonce_of(challenge: str) -> str:
            return re.search('nonce="([^"]+)"', challenge)[1]

        def is_known() -> bool:
            nonce = nonce_of(client.register(aor))
            right = credentials("alice", "correct horse", nonce)
            return status(client.register(aor, lines=(right,))) == 200

        # A running proxy follows the store; who asks too often is answered late.
        await comes_true(is_known, every=0.3)
        nonce = nonce_of(client.register(aor))
        wrong = client.register(aor, lines=(credentials("alice", "battery", nonce),))
        assert status(wrong) == 401
        right = credentials("alice", "correct horse", nonce)
        assert status(client.register(aor, lines=(right,))) == 200
        assert status(client.register(aor, lines=(right,))) == 401  # replayed
        other = credentials("alice", "correct horse", nonce, count=2)
        bob = f"sip:bob@{DOMAIN}"
        assert status(client.register(bob, lines=(other,))) == 403
    assert b"correct horse" not in world.database.read_bytes()


async def set_password(world, name, password):
    words = ("--config", str(world.config), "user", "new", name, "--password-stdin")
    done = await run(*words, given=password.encode() + b"\n")
    assert done.returncode == 0, done.stderr


def credentials(user, password, nonce, count=1):
    hasher = _HASHERS["SHA-256"]
    ha2 = hasher(b"REGISTER:sip:x")
    ha1 = ha1_of("SHA-256", user, DOMAIN, password)
    proof = hasher(f"{ha1}:{nonce}:{count:08x}:0a:auth:{ha2}".encode())
    value = (
        f'Digest username="{user}", realm="{DOMAIN}", nonce="{nonce}", uri="sip:x",'
        f' cnonce="0a", nc={count:08x}, qop=auth, algorithm=SHA-256, response="{proof}"'
    )
    assert parse_credentials(value.encode()).user == user
    return f"Authorization: {value}"


async def test_an_operator_takes_a_binding_away_from_a_running_proxy(world):
    with Client(world) as lookup, Client(world) as caller:
        lookup.register(LOOKUP)
        (gone,) = await world.run("binding", "remove", LOOKUP)
        assert gone["source"] == f"udp:{lookup.me}"

        def is_gone() -> bool:
            caller.request(f"OPTIONS {LOOKUP}", LOOKUP)
            return lookup_is_gone(caller)

        await comes_true(is_gone)


def lookup_is_gone(caller) -> bool:
    caller.socket.settimeout(0.2)
    with contextlib.suppress(TimeoutError):
        return status(caller.read()) == 404
    return False


async def test_the_old_service_and_an_endpoint_exclude_each_other(world):
    new = ("endpoint", "new", "--sip-address", LOOKUP, "--pool-fqdn", "pc.contoso.test")
    with Client(world) as lookup:
        agent = ("User-Agent: RTC/3.5 (Microsoft Lookup)",)
        lookup.register(LOOKUP, lines=agent)
        with pytest.raises(ServiceError) as refused:
            await world.run(*new)
        for word in (f"udp:{lookup.me}", "Microsoft Lookup", "since", "--force"):
            assert word in str(refused.value)
        lookup.register(LOOKUP, f"{lookup.contact};expires=0")
        await world.run(*new)
        await comes_true(lambda: "table.changed" in world.log)
        answer = lookup.register(LOOKUP, lines=agent)
        assert answer.startswith("SIP/2.0 403 sip:ocschat@contoso.test is an endpoint")
        assert "old Lookup service at 127.0.0.44 is still alive" in answer
        lookup.register(LOOKUP, lines=agent)

    async def is_shown() -> bool:
        (view,) = await world.run("endpoint", "get", LOOKUP)
        return bool(view["conflicts"])

    await comes_true(is_shown)
    (view,) = await world.run("endpoint", "get", LOOKUP)
    (conflict,) = view["conflicts"]
    assert conflict["source"] == "udp:127.0.0.44"
    assert "Microsoft Lookup" in conflict["user_agent"]
    log = world.service.log.read_text()
    assert log.count("conflict.detected") == 1


async def test_force_creates_the_endpoint_and_stands_in_the_audit(world):
    with Client(world) as lookup:
        lookup.register(LOOKUP)
    words = ("--sip-address", LOOKUP, "--pool-fqdn", "pc.contoso.test", "--force")
    await world.run("endpoint", "new", *words)
    with sqlite3.connect(world.database) as database:
        verbs = [row[0] for row in database.execute("SELECT verb FROM audit")]
    assert verbs == ["endpoint.new --force"]


class Storm:
    """Registers one new user after the other, many at a time, and keeps count."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.acknowledged: set[str] = set()
        self.sent = 0
        self.open = 0

    async def blow(self) -> None:
        """Until cancelled; a proxy that is away is no error."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.setblocking(False)
            udp.bind(("127.0.0.44", 0))
            self.me = "{}:{}".format(*udp.getsockname())
            reader = loop.create_task(self.read(udp))
            try:
                silent = 0.0
                while True:
                    # No more at a time than a slow machine can start up under.
                    silent = silent + 0.01 if self.open > 100 else 0.0
                    if silent > 0.3:
                        self.open = 0  # the proxy is gone, and these with it
                    if self.open <= 100:
                        for _ in range(20):
                            self.send(udp)
                    await asyncio.sleep(0.01)
            finally:
                await asyncio.sleep(0)
                reader.cancel()

    async def goes_on(self, seen: int) -> None:
        """Wait until more than ``seen`` are acknowledged, however slow the machine."""
        end = time.monotonic() + 20
        while len(self.acknowledged) <= seen:
            assert time.monotonic() < end, "nothing was acknowledged"
            await asyncio.sleep(0.01)

    def send(self, udp: socket.socket) -> None:
        self.sent += 1
        self.open += 1
        user = f"user{self.sent}"
        udp.sendto(
            f"REGISTER sip:{DOMAIN} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.me};branch=z9hG4bK{user}\r\nMax-Forwards: 70\r\n"
            f"From: <sip:{user}@{DOMAIN}>;tag=1\r\nTo: <sip:{user}@{DOMAIN}>\r\n"
            f"Call-ID: {user}\r\nCSeq: 1 REGISTER\r\n"
            f"Contact: <sip:{user}@{self.me}>\r\nContent-Length: 0\r\n\r\n".encode(),
            self.world.address,
        )

    async def read(self, udp: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                data = (await loop.sock_recv(udp, 65535)).decode()
            except OSError:
                continue
            self.open = max(0, self.open - 1)
            if data.startswith("SIP/2.0 200"):
                self.acknowledged.add(re.search(r"Call-ID: (\S+)", data)[1])


async def test_no_acknowledged_registration_is_lost_by_kill_9(world):
    storm = Storm(world)
    blowing = asyncio.create_task(storm.blow())  # noqa: TID251
    seen = 0
    for number in range(KILLS):
        await storm.goes_on(seen)
        # Somewhere inside a group commit, elsewhere each time.
        await asyncio.sleep(0.05 + 0.0037 * number)
        await world.kill()
        seen = len(storm.acknowledged)
        with sqlite3.connect(world.database) as database:
            rows = database.execute("SELECT aor FROM bindings")
            kept = {aor.partition("@")[0] for (aor,) in rows}
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        lost = storm.acknowledged - kept
        assert not lost, f"kill {number}: {len(lost)} lost"
        await world.start()
    blowing.cancel()
    await asyncio.gather(blowing, return_exceptions=True)
    listed = await world.run("binding", "list")
    assert storm.acknowledged <= {row["aor"].partition("@")[0] for row in listed}
