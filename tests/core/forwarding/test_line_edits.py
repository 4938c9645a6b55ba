"""The edits of RFC 3261 section 16.6, line by line, and the stamp on a Via."""

import pytest

from proxy.core.forwarding.line_edits import (
    KEEP_SECONDS,
    forward_request,
    note_alias,
    stamp_via,
)
from proxy.core.routing.route_set import RouteSet
from proxy.sip.flow import Flow, FlowTable, Listener
from proxy.sip.message import Request
from tests.support.messages import read, request

UDP = Listener("udp", "10.0.0.5", 5060)
TCP = Listener("tcp", "10.0.0.5", 5060, index=1)
TLS = Listener("tls", "10.0.0.5", 5061, index=2)
HERE = "10.1.0.9:40000"


def asked(*lines: str, **more: object) -> Request:
    message = read(request("INVITE sip:x@contoso.test", *lines, **more))
    assert isinstance(message, Request)
    return message


def stamped(via: str, listener: Listener = UDP, port: int = 40000):
    """The line that our answer copies, and the flow that it takes."""
    message = asked(via=via)
    flow = Flow(listener, "10.1.0.9", port, 1 if listener is not UDP else 0)
    back = stamp_via(message, message.top_via(), flow, FlowTable([UDP, TCP]))
    return message.lines[message.index["via"]].decode(), back, flow


def test_a_via_that_says_where_it_comes_from_stays_byte_for_byte() -> None:
    line, back, flow = stamped(f"SIP/2.0/UDP  {HERE} ;branch=z9hG4bK-1;x")
    assert line == f"Via: SIP/2.0/UDP  {HERE} ;branch=z9hG4bK-1;x"
    assert back is flow


@pytest.mark.parametrize(
    ("via", "has"),
    [
        ("SIP/2.0/UDP 192.168.0.2:5062;branch=z9hG4bK-1", ";received=10.1.0.9"),
        (f"SIP/2.0/UDP {HERE};rport;branch=z9hG4bK-1", ";rport=40000"),
        (f"SIP/2.0/UDP {HERE};received=1.2.3.4;branch=z", ";received=10.1.0.9"),
        (f"SIP/2.0/UDP {HERE};rport=1;branch=z9hG4bK-1", ";rport=40000"),
    ],
)
def test_where_it_came_from_is_written_whatever_the_client_wrote(via, has) -> None:
    line, _, _ = stamped(via)
    assert has in line and "1.2.3.4" not in line


def test_answers_over_udp_go_to_the_port_of_sent_by_unless_rport_is_asked() -> None:
    _, back, _ = stamped("SIP/2.0/UDP 10.1.0.9:5062;branch=z9hG4bK-1")
    assert (back.host, back.port) == ("10.1.0.9", 5062)
    _, back, _ = stamped("SIP/2.0/UDP 10.1.0.9;branch=z9hG4bK-1")
    assert back.port == 5060
    _, back, flow = stamped("SIP/2.0/UDP 10.1.0.9:5062;rport;branch=z9hG4bK-1")
    assert back is flow


def test_on_a_stream_answers_go_over_it_and_keep_gets_its_seconds() -> None:
    line, back, flow = stamped("SIP/2.0/TCP 10.1.0.9:5062;keep;branch=z9hG4bK-1", TCP)
    assert back is flow and flow.wants_pong
    assert f";keep={KEEP_SECONDS}" in line
    line, _, flow = stamped("SIP/2.0/UDP 10.1.0.9:40000;keep;branch=z9hG4bK-1")
    assert not flow.wants_pong and ";keep=" not in line


def test_an_alias_needs_the_name_in_the_certificate() -> None:
    flows, flow = FlowTable([TLS]), Flow(TLS, "10.0.1.1", 40123, 1)
    flow.peer_names = ("fe1.test",)
    for name, found in (("fe2.test", None), ("fe1.test", flow)):
        via = asked(via=f"SIP/2.0/TLS {name}:5061;alias;branch=z9hG4bK-1").top_via()
        note_alias(via, flow, flows)
        assert flows.stream("tls", "10.0.1.1", 5061) is found


def forwarded(message: Request, *routes: bytes, uri: bytes = b"", changed=False):
    found = RouteSet(message.uri)
    found.entries, found.has_changed = list(routes), changed
    own = [b"Via: ours", b"Record-Route: ours"]
    return forward_request(message, found, uri or message.uri, own)


def test_only_what_the_rfc_names_is_edited() -> None:
    message = asked("X-Odd :  a  b", "p-private: <x>", max_forwards=8)
    message.hops = 8  # as validation has read it
    lines = forwarded(message, uri=b"sip:x@pool.test")
    assert lines[:3] == [
        b"INVITE sip:x@pool.test SIP/2.0",
        b"Via: ours",
        b"Record-Route: ours",
    ]
    assert b"Max-Forwards: 7" in lines and lines[-2:] == [b"", b""]
    before = [x for x in message.lines[1:] if not x.startswith(b"Max-Forwards")]
    assert [x for x in lines[3:-2] if not x.startswith(b"Max-Forwards")] == before
    assert b"INVITE sip:x@contoso.test SIP/2.0" in message.lines  # not ours to change


def test_a_request_without_max_forwards_gets_one() -> None:
    assert b"Max-Forwards: 69" in forwarded(asked(max_forwards=None))


def test_a_strict_router_gets_its_uri_and_the_request_uri_goes_last() -> None:
    message = asked("Route: <sip:strict.test>, <sip:loose.test;lr>")
    entries = (b"<sip:strict.test>", b"<sip:loose.test;lr>")
    lines = forwarded(message, *entries)
    assert lines[0] == b"INVITE sip:strict.test SIP/2.0"
    assert b"Route: <sip:loose.test;lr>, <sip:x@contoso.test>" in lines


def test_routes_that_were_used_go_and_the_rest_keep_their_lines() -> None:
    message = asked("Route: <sip:us;lr>", "X: y", "Route: <sip:a;lr>, <sip:b;lr>")
    lines = forwarded(message, b"<sip:a;lr>", b"<sip:b;lr>", changed=True)
    assert [x for x in lines if x.startswith(b"Route")] == [
        b"Route: <sip:a;lr>",
        b"Route: <sip:b;lr>",
    ]
    lines = forwarded(message, changed=True)
    assert not [x for x in lines if x.startswith(b"Route")] and b"X: y" in lines


def test_a_compact_via_is_spelled_out() -> None:
    data = request("INVITE sip:x@contoso.test").replace(b"Via: ", b"v :")
    message = read(data)
    assert isinstance(message, Request)
    lines = forwarded(message)
    assert lines[3].startswith(b"Via: SIP/2.0/UDP 10.1.0.9")
    assert not [x for x in lines if x.startswith(b"v")]
