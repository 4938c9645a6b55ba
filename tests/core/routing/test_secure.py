"""``sips:`` stays ``sips:`` (RFC 3261 sections 16.6 items 4 and 7, RFC 5630 5.3)."""

import pytest

from proxy.core import events
from proxy.endpoints.model import Pool
from proxy.sip.flow import Listener
from tests.support.messages import line_of, lines_of, request
from tests.support.playbook import DOMAIN, POOL, PROXY, endpoint
from tests.support.registry import Registry

SECURE = "sips:alice@contoso.test"


def listeners():
    return (
        Listener("udp", PROXY, 5060, index=0),
        Listener("tcp", PROXY, 5060, index=1),
        Listener("tls", PROXY, 5061, index=2),
    )


def invite(uri: str, *extra: str, **more) -> bytes:
    contact = "Contact: <sips:caller@10.1.0.9:40000>"
    return request(f"INVITE {uri}", contact, *extra, **more)


def connects(play, peer: str, name: str) -> None:
    """The connection is there, and the certificate has that name."""
    play.flow(peer).peer_names = (name,)
    play.connects(peer)


def refused(play, peer="client"):
    """The refusal of RFC 5630, and nothing else."""
    answer = play.last(peer)
    assert b" 480 " in answer.split(b"\r\n")[0]
    assert line_of(answer, "Warning") == b'Warning: 380 waypost.test "SIPS Not Allowed"'
    assert b"1022" in line_of(answer, "ms-diagnostics")


# -- registered contacts -------------------------------------------------------------


@pytest.mark.parametrize("peer", ["client", "client/tcp"])
@pytest.mark.parametrize("uri", [SECURE, "SIPS:alice@contoso.test"])
def test_a_contact_without_tls_is_not_asked(peer, uri):
    registry = Registry(listeners=listeners())
    registry.register(registry.contact_of(peer), peer=peer)
    registry.send("bob", request(f"MESSAGE {uri}"))
    registry.sees("bob < 480")
    refused(registry, "bob")


def test_a_contact_on_tls_is_asked_down_its_connection():
    registry = Registry(listeners=listeners())
    contact = registry.contact_of("client/tls")
    registry.register(contact, peer="client/tls")
    registry.send("bob/tls", invite(SECURE))
    registry.sees("bob/tls < 100", f"client/tls < INVITE {contact[1:-1]}")
    (line,) = lines_of(registry.last("client/tls"), "Record-Route")
    assert line.startswith(b"Record-Route: <sips:")
    assert line.endswith(b"@10.0.0.5:5061;lr>")


def test_a_contact_without_tls_leaves_the_turn_to_one_with_it():
    registry = Registry(listeners=listeners())
    registry.register(f"{registry.contact_of('client')};q=1.0")
    registry.register(
        f"{registry.contact_of('bob/tls')};q=0.1", peer="bob/tls", call_id="other"
    )
    registry.send("stranger/tls", request(f"MESSAGE {SECURE}"))
    registry.sees("bob/tls < MESSAGE")


@pytest.mark.parametrize(
    "contact",
    [
        "<sip:alice@10.1.0.77>",
        "<sip:alice@phone.contoso.test>",
        "<sip:alice@10.1.0.77;transport=tcp>",
    ],
)
def test_a_contact_elsewhere_that_says_no_tls_is_not_asked(contact):
    registry = Registry(listeners=listeners())
    registry.register(contact)
    registry.send("bob", request(f"MESSAGE {SECURE}"))
    registry.sees("bob < 480")


@pytest.mark.parametrize(
    "contact", ["<sips:alice@10.0.2.1:5060>", "<sip:alice@10.0.2.1;transport=tls>"]
)
def test_a_contact_elsewhere_that_says_tls_is_connected_to(contact):
    registry = Registry(listeners=listeners())
    registry.register(contact)
    registry.send("bob", request(f"MESSAGE {SECURE}"))
    registry.sees("connect edge/tls")


def test_behind_a_path_only_sips_itself_keeps_the_wish():
    """The proxy next to the contact would see ``sip:`` and could use anything."""
    registry = Registry(listeners=listeners())
    path = ("Path: <sips:10.0.2.1:5060;lr>",)
    registry.register("<sip:alice@phone.test;transport=tls>", headers=path)
    registry.send("bob", request(f"MESSAGE {SECURE}"))
    registry.sees("bob < 480")
    registry.register("<sips:alice@phone.test>", headers=path, call_id="sips")
    registry.send("bob", request(f"MESSAGE {SECURE}", branch="z9hG4bK-2"))
    registry.sees("connect edge/tls")


def test_a_sips_contact_that_sent_over_udp_is_not_reached_over_udp():
    registry = Registry(listeners=listeners())
    registry.register("<sips:alice@10.1.0.9:40000>")
    registry.send("bob", request("MESSAGE sip:alice@contoso.test"))
    registry.sees("bob < 480")


def test_without_a_tls_listener_there_is_no_way():
    registry = Registry()
    registry.register("<sips:alice@10.0.2.1>")
    registry.send("bob", request(f"MESSAGE {SECURE}"))
    registry.sees("bob < 480")


def test_a_caller_that_did_not_ask_is_not_made_to_use_tls():
    """The callee's Contact is ``sips:``: its side of Record-Route says so, no other."""
    registry = Registry(listeners=listeners())
    registry.register("<sips:alice@10.1.0.9:40000>", peer="client/tls")
    registry.send("bob", request("INVITE sip:alice@contoso.test"))
    registry.sees("bob < 100", "client/tls < INVITE sips:alice@10.1.0.9:40000")
    outer, inner = lines_of(registry.last("client/tls"), "Record-Route")
    assert outer.startswith(b"Record-Route: <sips:")
    assert inner.startswith(b"Record-Route: <sip:")
    assert inner.endswith(b"@10.0.0.5:5060;lr>")


# -- the default route ---------------------------------------------------------------


@pytest.mark.parametrize(
    "default",
    [
        b"sip:10.0.2.1:5060;transport=udp",
        b"sip:10.0.2.1:5060;transport=tcp",
        b"sip:10.0.2.1",
        b"sip:edge.test:5060",
        b"sip:edge.test;transport=tcp",
    ],
)
@pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
def test_a_default_route_without_tls_is_no_way(playbook, default, method):
    play = playbook(listeners=listeners(), default_route=default)
    play.send("client", request(f"{method} sips:carol@far.test"))
    trying = ["client < 100"] if method == "INVITE" else []
    play.sees(*trying, "client < 480")
    refused(play)


def test_a_default_route_over_tls_is(playbook):
    play = playbook(
        listeners=listeners(), default_route=b"sip:10.0.2.1:5060;transport=tls"
    )
    play.send("client", invite("sips:carol@far.test"))
    play.sees("client < 100", "connect edge/tls")
    connects(play, "edge/tls", "10.0.2.1")
    play.sees("edge/tls < INVITE sips:carol@far.test")
    (line,) = lines_of(play.last("edge/tls"), "Record-Route")
    assert line.startswith(b"Record-Route: <sips:")
    assert line.endswith(b"@10.0.0.5:5061;lr>")


def test_a_default_route_that_leaves_it_open_is_asked_for_tls(playbook):
    play = playbook(listeners=listeners(), default_route=b"sip:edge.test")
    play.send("client", request("MESSAGE sips:carol@far.test"))
    play.sees("resolve edge.test")
    assert play._lookups["edge.test"].sips


def test_an_ack_without_a_way_is_dropped(playbook):
    play = playbook(
        listeners=listeners(), default_route=b"sip:10.0.2.1:5060;transport=udp"
    )
    play.send("client", request("ACK sips:carol@far.test"))
    play.sees()


# -- endpoints -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "arrives"),
    [
        ("pool-host", f"sips:ocschat@{POOL}"),
        ("keep", f"sips:ocschat@{DOMAIN}"),
        ("sip:chat@pool.test", "sips:chat@pool.test"),
    ],
)
def test_an_endpoint_keeps_the_scheme(playbook, policy, arrives):
    play = playbook(listeners=listeners(), endpoints=(endpoint(request_uri=policy),))
    play.knows(POOL, "fe1", transport="tls", sips=True)
    play.send("client", invite(f"sips:ocschat@{DOMAIN}"))
    play.sees("client < 100", "connect fe1/tls")
    connects(play, "fe1/tls", POOL)
    play.sees(f"fe1/tls < INVITE {arrives}")


def test_a_pool_that_is_set_to_tcp_and_a_port_is_no_way(playbook):
    play = playbook(listeners=listeners(), pools=(Pool(POOL, "tcp", 5060),))
    play.send("client", request(f"SUBSCRIBE sips:ocschat@{DOMAIN}"))
    play.sees("client < 480")


# -- inside dialogs ------------------------------------------------------------------


def secure_dialog(play):
    """A ``sips:`` call of a client on UDP; the Route that each end has, the callee's
    first."""
    play.send("client", invite("sips:carol@far.test"))
    play.sees("client < 100", "connect edge/tls")
    connects(play, "edge/tls", "10.0.2.1")
    play.sees("edge/tls < INVITE")
    (line,) = lines_of(play.last("edge/tls"), "Record-Route")
    play.answer("edge/tls", 200)
    play.sees("client < 200")
    (other,) = lines_of(play.last("client"), "Record-Route")
    return [x.replace(b"Record-Route", b"Route").decode() for x in (line, other)]


DEFAULT = b"sip:10.0.2.1:5060;transport=tls"


def bye(uri, *lines):
    return request(
        f"BYE {uri}",
        *lines,
        from_="<sip:carol@far.test>;tag=pool-1",
        to="<sip:alice@contoso.test>;tag=alice-1",
        via="SIP/2.0/TLS 10.0.2.1:5060;branch=z9hG4bK-bye",
        cseq=7,
    )


def test_towards_a_caller_without_tls_sips_does_not_go(playbook):
    play = playbook(listeners=listeners(), default_route=DEFAULT)
    route, _ = secure_dialog(play)
    play.send("edge/tls", bye("sips:caller@10.1.0.9:40000", route))
    play.sees("edge/tls < 480")
    plain = bye("sip:caller@10.1.0.9:40000", route).replace(b"bye", b"bye2")
    play.send("edge/tls", plain)
    play.sees("client < BYE")


@pytest.mark.parametrize(
    ("uri", "more", "seen"),
    [
        ("sips:carol@10.0.2.1:5060", (), "edge/tls < INFO"),
        ("sips:carol@far.test", ("Route: <sips:10.0.2.1:5060;lr>",), "edge/tls < INFO"),
        ("sips:carol@far.test", ("Route: <sip:10.0.2.1;lr>",), "client < 480"),
        (
            "sips:carol@far.test",
            ("Route: <sip:10.0.2.1;transport=tcp;lr>",),
            "client < 480",
        ),
        (
            "sip:carol@far.test",
            ("Route: <sips:10.0.2.1:5060;lr>",),
            "edge/tls < INFO",
        ),
    ],
)
def test_towards_the_callee_a_route_must_not_lose_it(playbook, uri, more, seen):
    play = playbook(listeners=listeners(), default_route=DEFAULT)
    _, route = secure_dialog(play)
    info = request(f"INFO {uri}", route, *more, to="<sips:carol@far.test>;tag=pool-1")
    play.send("client", info.replace(b"z9hG4bK-1", b"z9hG4bK-info"))
    play.sees(seen)


def test_a_strict_router_that_gives_our_entry_back_is_understood(playbook):
    """Section 16.4: our Record-Route value in the Request-URI."""
    play = playbook(listeners=listeners(), default_route=DEFAULT)
    _, route = secure_dialog(play)
    ours = route.partition("<")[2].rstrip(">")
    strict = request(
        f"INFO {ours}",
        "Route: <sips:carol@10.0.2.1:5060>",
        to="<sips:carol@far.test>;tag=pool-1",
        branch="z9hG4bK-strict",
    )
    play.send("client", strict)
    play.sees("edge/tls < INFO sips:carol@10.0.2.1:5060")


# -- other nodes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transport", "seen"), [("tcp", "client < 480"), ("tls", "connect edge/tls")]
)
def test_another_node_is_reached_over_tls_or_not_at_all(playbook, transport, seen):
    play = playbook(listeners=listeners(), default_route=DEFAULT)
    router = play.core.router
    play._handle(events.NodesChanged({7: f"sip:10.0.2.1:5060;transport={transport}"}))
    flow = play.flow("client/tls")
    flow.connection_id |= 7 << 48
    user = f"{router.tokens.make_contact(flow).decode()}~alice"
    play.send("client", request(f"MESSAGE sips:{user}@{PROXY}:5061"))
    play.sees(seen)
