"""However a message is spelled, the proxy does the same about it.

RFC 3261 section 7.3.1 lets a header field be written in many ways: compact names,
names in any case, blanks, folds, values joined by commas, display names that look like
something else.  Whole calls are played once as usual and once in each spelling, with
every message that comes in written anew, and have to run alike.
"""

import re
from collections.abc import Callable

import pytest

from proxy.core import events
from proxy.sip.fields import parse_name_addr, parse_routes
from proxy.sip.flow import Listener
from proxy.sip.names import COMPACT
from tests.support.messages import ALIAS, read, request, response
from tests.support.playbook import DOMAIN, HOSTS, POOL, PORTS, PROXY
from tests.support.registry import Registry

Spelling = Callable[[bytes], bytes]
Line = Callable[[bytes, bytes], bytes]
SHORT = {full.encode(): short.encode() for short, full in COMPACT.items()}
ADDRESSES = (b"from", b"to", b"contact", b"route", b"record-route", b"path")
LISTS = (b"via", b"route", b"record-route", b"path", b"supported")
BOB = f"sip:bob@{DOMAIN}"
FE_POOL = "fepool.contoso.test"


def lines(line: Line) -> Spelling:
    """A spelling of one logical line: name and value, the folds gone."""

    def spell(data: bytes) -> bytes:
        head, end, body = data.partition(b"\r\n\r\n")
        start, *fields = re.sub(rb"[ \t]*\r\n[ \t]+", b" ", head).split(b"\r\n")
        pairs = [field.partition(b":") for field in fields]
        written = [line(name.strip(), value.strip()) for name, _, value in pairs]
        return b"\r\n".join((start, *written)) + end + body

    return spell


def values(names: tuple[bytes, ...], pattern: bytes, by: bytes) -> Spelling:
    """Only these header fields, and something in their values written otherwise."""

    def line(name: bytes, value: bytes) -> bytes:
        full = COMPACT.get(name.decode().lower(), name.decode().lower()).encode()
        return name + b": " + (re.sub(pattern, by, value) if full in names else value)

    return lines(line)


def joined(data: bytes) -> bytes:
    """Each list on one line."""
    head, end, body = data.partition(b"\r\n\r\n")
    start, *fields = head.split(b"\r\n")
    written: list[bytes] = []
    places: dict[bytes, int] = {}
    for field in fields:
        name, _, value = field.partition(b":")
        if name.lower() in LISTS and name.lower() in places:
            written[places[name.lower()]] += b", " + value.strip()
        else:
            places[name.lower()] = len(written)
            written.append(field)
    return b"\r\n".join((start, *written)) + end + body


SPELLINGS: dict[str, Spelling] = {
    "compact": lines(lambda n, v: SHORT.get(n.lower(), n) + b": " + v),
    "capitals": lines(lambda n, v: n.upper() + b": " + v),
    "small letters": lines(lambda n, v: n.lower() + b":" + v),
    "blanks before the colon": lines(lambda n, v: n + b" \t: \t" + v),
    "tabs": lines(lambda n, v: n + b":\t" + v + b" \t"),
    "folded": lines(lambda n, v: n + b":\r\n " + v),
    "folded at its end": lines(lambda n, v: n + b": " + v + b"\r\n "),
    "folded behind semicolons": values(
        (b"contact", b"via"), rb"(>;|^SIP[^;]*;)", b"\\1\r\n "
    ),
    "blanks in Via": values((b"via",), rb"([;=])", rb" \1 "),
    "letters of Via": values((b"via",), rb"SIP/2.0/", b"sip / 2.0 / "),
    "branch in capitals": values((b"via",), rb"branch=", b"BRANCH="),
    "display names": values(
        ADDRESSES, rb"^<([^>]*)>", rb'"a, \\" <sip:x@y>;tag=1;proxy=replace" <\1>'
    ),
    "the URI as display name": values(ADDRESSES, rb"^<([^>]*)>", rb'"\1" <\1>'),
    "scheme in capitals": values(ADDRESSES, rb"<sip:", b"<SIP:"),
    "parameters": values((b"contact",), rb"^([^>]*>)", rb'\1;q=0.5;x="a,b;c>"'),
    "joined": joined,
}


class World(Registry):
    """Notes what the proxy does and insists on nothing; spells what is sent to it."""

    def __init__(self, spell: Spelling, **more) -> None:
        self.spell = spell
        self.trace: list[str] = []
        self._branches = 0
        super().__init__(**more)

    def _note(self, line: str) -> None:
        if "< 100" not in line:  # when it goes is not told by its bytes
            # A Request-URI is written by its sender; tokens differ by what they name.
            self.trace.append(re.sub(r" sips?:.*", "", line, flags=re.IGNORECASE))

    def send(self, peer: str, data: bytes) -> bytes:
        """As ever, in this world's spelling; connections and the store are quick."""
        super().send(peer, self.spell(data))
        for _ in range(3):
            for wanted in list(self._connecting):
                self.connects(wanted)
        while self.unsaved:
            tickets = [command.ticket for command in self.unsaved]
            self.unsaved.clear()
            self._handle(events.BindingsSaved(tickets))
        return data

    def via(self, peer: str) -> str:
        self._branches += 1
        name, _, transport = peer.partition("/")
        where = f"{HOSTS[name]}:{PORTS.get(name, 5060)}"
        word = (transport or "udp").upper()
        return f"SIP/2.0/{word} {where};branch=z9hG4bKs{self._branches}"

    def at(self, peer: str, port: int = 0, more: str = "") -> str:
        """A Contact line of this peer."""
        name, _, transport = peer.partition("/")
        suffix = f";transport={transport}" if transport else ""
        where = f"{HOSTS[name]}:{port or PORTS.get(name, 5060)}"
        return f"Contact: <sip:u@{where}{suffix}>{more}"

    def says(self, peer: str, method: str, status: int, *extra: str) -> bytes:
        """It answers the last request of this method."""
        return self.send(peer, response(self.request_at(peer, method), status, *extra))


class Dialog:
    """Two peers that keep route sets and remote targets as section 12 has it."""

    def __init__(self, world: World, caller: str, callee: str, uri: str) -> None:
        self.world, self.caller, self.callee, self.uri = world, caller, callee, uri
        self.cseq = 1
        self.ends: dict[str, tuple[list[bytes], bytes]] = {}

    def begins(self, method: str = "INVITE", *extra: str) -> None:
        world = self.world
        world.send(
            self.caller,
            request(
                f"{method} {self.uri}",
                world.at(self.caller),
                *extra,
                via=world.via(self.caller),
            ),
        )
        asked = world.request_at(self.callee, method)
        if method == "INVITE":
            world.says(self.callee, method, 180, world.at(self.callee))
        world.says(self.callee, method, 200, world.at(self.callee))
        self.hears(self.caller, world.last(self.caller), turned=True)
        self.hears(self.callee, asked)

    def hears(self, peer: str, data: bytes, turned: bool = False) -> None:
        message = read(data)
        routes = parse_routes(message.values("record-route"))
        if peer in self.ends:
            routes = self.ends[peer][0]
        elif turned:
            routes.reverse()
        self.ends[peer] = routes, parse_name_addr(message.required("contact")).uri

    def sends(self, peer: str, method: str, *extra: str, body: bytes = b"") -> None:
        self.cseq += method != "ACK"
        routes, target = self.ends[peer]
        tags = [f"<sip:alice@{DOMAIN}>;tag=alice-1", f"<{self.uri}>;tag=pool-1"]
        if peer == self.callee:
            tags.reverse()
        self.world.send(
            peer,
            request(
                f"{method} {target.decode()}",
                *(f"Route: {route.decode()}" for route in routes),
                *extra,
                via=self.world.via(peer),
                from_=tags[0],
                to=tags[1],
                cseq=self.cseq,
                body=body,
            ),
        )

    def moves(self, peer: str, method: str, other: str, how: str) -> None:
        """One end is at another port from now on, and says so in a request, or in its
        answer to the other's."""
        world = self.world
        moved, asker = world.at(peer, 7777), peer if how == "asks" else other
        answerer = other if asker == peer else peer
        contact = moved if asker == peer else world.at(asker)
        self.sends(asker, method, contact)
        self.hears(answerer, world.request_at(answerer, method))
        answer = world.at(answerer) if asker == peer else moved
        world.says(answerer, method, 200, answer)
        self.hears(asker, world.last(asker))
        if method == "INVITE":
            self.sends(asker, "ACK")


def a_call(world: World, caller: str, callee: str, uri: str, moves: str) -> None:
    dialog = Dialog(world, caller, callee, uri)
    dialog.begins()
    dialog.sends(caller, "ACK")
    for peer, other in ((caller, callee), (callee, caller)):
        dialog.sends(peer, "INFO")
        world.says(other, "INFO", 200)
    if moves:
        who, how = moves.split()
        peer, other = (caller, callee) if who == "caller" else (callee, caller)
        dialog.moves(peer, "INVITE" if how == "answers" else "UPDATE", other, how)
    for peer in (caller, callee):
        dialog.sends(peer, "BYE")
    cancelled(world, caller, callee, uri)


def cancelled(world: World, caller: str, callee: str, uri: str) -> None:
    more = {"via": world.via(caller), "call_id": "cancelled"}
    world.send(caller, request(f"INVITE {uri}", world.at(caller), **more))
    world.says(callee, "INVITE", 180)
    world.send(caller, request(f"CANCEL {uri}", "Reason: SIP;cause=200", **more))
    cancel = world.request_at(callee, "CANCEL")
    world.trace.append(f"with its reason: {b'cause=200' in cancel}")
    world.says(callee, "INVITE", 487)
    world.send(caller, request(f"ACK {uri}", to=f"<{uri}>;tag=pool-1", **more))


def a_subscription(world: World, caller: str, callee: str, uri: str) -> None:
    dialog = Dialog(world, caller, callee, uri)
    dialog.begins("SUBSCRIBE", "Event: presence")
    for _ in range(2):
        dialog.sends(callee, "NOTIFY", "Event: presence", world.at(callee))
        world.says(caller, "NOTIFY", 200)
    dialog.moves(callee, "NOTIFY", caller, "asks")
    dialog.sends(caller, "SUBSCRIBE", "Event: presence")


def registrations(world: World) -> None:
    path = ("Path: <sip:10.0.2.1;lr;ob>", "Supported: path, outbound")
    instance = ';reg-id=1;+sip.instance="<urn:uuid:1>"'
    contact = world.at("client").removeprefix("Contact: ")
    for number, (line, headers) in enumerate(
        (
            (contact + ";expires=600", ()),
            (contact + instance, ("Supported: outbound, path",)),
            (contact + instance, path),
            (contact + ";expires=5", ()),
            (contact + ";expires=0", ("Require: gruu",)),
            (contact, ("Expires: 0",)),
            ("*", ("Expires: 0",)),
        )
    ):
        more = {"via": f"SIP/2.0/UDP 10.1.0.9:40000;branch=z9hG4bKreg{number}"}
        if headers is path:
            more["via"] = [f"SIP/2.0/UDP 10.0.2.1;branch=z9hG4bKreg{number}", "x"]
            more["via"][1] = "SIP/2.0/UDP 10.1.0.9:40000;branch=z9hG4bKx"
        world.send_register(line, headers=headers, **more)
        answer = world.answer_to("client")
        world.trace.append(
            f"{answer.status} {len(answer.values('contact'))} "
            f"{answer.value('require')!r} {len(world.bound())}"
        )


def strangers(world: World) -> None:
    """What must not go on does not, and what is refused is refused."""
    claims = (
        "P-Asserted-Identity: <sip:boss@contoso.test>",
        "Remote-Party-ID: <sip:b>",
    )
    world.send(
        "stranger", request(f"MESSAGE {ALIAS}", *claims, via=world.via("client"))
    )
    got = read(world.request_at("fe1", "MESSAGE"))
    world.trace.append(f"claims {[n for n in got.names if n.startswith(('p-', 're'))]}")
    for number, extra in enumerate(
        (
            ("Max-Forwards: 0",),
            ("Proxy-Require: x-none",),
            ("Max-Breadth: 0",),
            ("Route: <sip:elsewhere.test;lr>",),
            ("Max-Forwards: x",),
        )
    ):
        hops = None if extra[0].startswith("Max-F") else 70
        world.send(
            "client",
            request(
                f"MESSAGE sip:x{number}@{DOMAIN}",
                *extra,
                via=world.via("client"),
                max_forwards=hops,
            ),
        )
    for name in ("Require: x-none", "Max-Forwards: 0"):
        hops = None if name.startswith("Max") else 70
        more = {"via": world.via("client"), "max_forwards": hops}
        world.send("client", request(f"OPTIONS sip:{DOMAIN}", name, **more))


def first_hop(world: World) -> None:
    instance = '+sip.instance="<urn:uuid:1>"'
    contact = world.at("client/tcp", 0, f";proxy=replace;{instance}")
    keep = "ms-keep-alive: UAC;hop-hop=yes"
    via = {"via": world.via("client/tcp")}
    world.send("client/tcp", request(f"REGISTER sip:{DOMAIN}", contact, keep, **via))
    asked = read(world.request_at("fe1/tcp", "REGISTER"))
    world.trace.append(
        f"ours {b'~u@' in asked.required('contact')} {'ms-keep-alive' in asked.index}"
    )
    world.says("fe1/tcp", "REGISTER", 200)
    world.trace.append(
        f"kept {'ms-keep-alive' in read(world.last('client/tcp')).index}"
    )
    value = asked.required("contact")
    uri = parse_name_addr(value).uri.decode()
    world.send(
        "fe1/tcp",
        request(f"INVITE {uri}", world.at("fe1/tcp"), via=world.via("fe1/tcp")),
    )
    world.says("client/tcp", "INVITE", 200, contact)
    answer = read(world.last("fe1/tcp"))
    world.trace.append(f"ours {b'~u@' in answer.required('contact')}")


CALLS = [
    *[("client", "fe1", ALIAS), ("client/tcp", "fe1/tcp", ALIAS)],
    *[("client/tcp", "fe1", ALIAS), ("client", "bob", BOB)],
    *[("client/tcp", "bob/tcp", BOB), ("client", "bob/tcp", BOB)],
]
MOVES = ("", "caller asks", "caller answers", "callee asks", "callee answers")


def plays() -> dict[str, Callable[[Spelling], list[str]]]:
    """Everything that is played, by name."""
    found: dict[str, Callable[[Spelling], list[str]]] = {}

    def world(spell: Spelling, callee: str) -> World:
        made = World(spell)
        transport = "tcp" if "/" in callee else "udp"
        made.knows(POOL, "fe1", "fe2", transport=transport)
        if callee.startswith("bob"):
            contact = made.contact_of(callee).replace("alice", "bob")
            made.send_register(contact, peer=callee, aor=BOB)
        return made

    for caller, callee, uri in CALLS:
        for moves in MOVES:
            if moves.startswith("caller") and "/" in caller:
                continue  # it would be connected to, at an address nobody plays

            def call(spell, caller=caller, callee=callee, uri=uri, moves=moves):
                made = world(spell, callee)
                a_call(made, caller, callee, uri, moves)
                return made.trace

            found[f"{caller} to {callee} {moves}"] = call

        def subscribe(spell, caller=caller, callee=callee, uri=uri):
            made = world(spell, callee)
            a_subscription(made, caller, callee, uri)
            return made.trace

        found[f"{caller} subscribes to {callee}"] = subscribe
    for scene in (registrations, strangers):

        def simple(spell, scene=scene):
            made = world(spell, "fe1")
            scene(made)
            return made.trace

        found[scene.__name__] = simple

    def hop(spell):
        listener = Listener(
            "tcp", PROXY, 5060, advertised_host="p.test", first_hop=True
        )
        route = f"sip:{FE_POOL};transport=tcp".encode()
        made = World(spell, listeners=(listener,), default_route=route)
        made.core.registrar = made.core.requests._registrar = None
        known = made.knows(FE_POOL, "fe1", transport="tcp")
        made.cached[known.lookup._replace(transport="tcp")] = known
        first_hop(made)
        return made.trace

    found["first hop"] = hop
    return found


PLAYS = plays()


@pytest.mark.parametrize("name", PLAYS)
def test_a_spelling_changes_nothing(name):
    play = PLAYS[name]
    usual = play(lambda data: data)
    assert len(usual) > 3
    for spelling, spell in SPELLINGS.items():
        assert play(spell) == usual, spelling
