"""Flow tokens: what they say, who signed them, and which flow they still name."""

import pytest

from proxy.core.tokens import NO_ENDPOINT, TokenBox, caller_mark
from proxy.sip.flow import Flow, FlowTable, Listener

TAG = b"abcdef"


@pytest.fixture
def flows() -> FlowTable:
    return FlowTable(
        [
            Listener("udp", "10.0.0.5", 5060, index=0),
            Listener("tcp", "10.0.0.5", 5060, index=1),
            Listener("udp", "::1", 5060, index=2),
        ]
    )


def connection(flows: FlowTable, number: int, port: int = 40000) -> Flow:
    flow = Flow(flows.listeners[1], "10.1.0.9", port, number)
    flows.add_stream(flow)
    return flow


@pytest.mark.parametrize(("index", "host"), [(0, "10.1.0.9"), (2, "2001:db8::9")])
def test_a_token_of_a_datagram_flow_names_it(flows, index, host):
    box = TokenBox((b"key",), flows)
    flow = flows.udp(flows.listeners[index], host, 40000)
    token = box.open(box.make(flow, TAG))
    assert token is not None
    assert (token.host, token.port, token.endpoint_tag) == (host, 40000, TAG)
    assert box.flow_of(token) is flow


def test_a_token_is_no_longer_than_a_uri_may_carry(flows):
    flow = flows.udp(flows.listeners[2], "2001:db8::9", 40000)
    text = TokenBox((b"key",), flows).make(flow)
    assert len(text) <= 64
    assert text.decode().replace("-", "").replace("_", "").isalnum()


def test_a_token_of_a_connection_names_it_while_it_is_open(flows):
    box = TokenBox((b"key",), flows)
    flow = connection(flows, 7)
    token = box.open(box.make(flow))
    assert box.flow_of(token) is flow
    flows.remove_stream(flow)
    assert box.flow_of(token) is None


def test_another_connection_of_the_same_number_is_not_taken(flows):
    """A restart numbers connections anew."""
    box = TokenBox((b"key",), flows)
    old = connection(flows, 7)
    token = box.open(box.make(old))
    flows.remove_stream(old)
    connection(flows, 7, port=40001)
    assert box.flow_of(token) is None


def test_a_token_survives_a_restart_and_a_new_order_of_listeners(flows):
    flow = flows.udp(flows.listeners[0], "10.1.0.9", 40000)
    text = TokenBox((b"key",), flows).make(flow)
    later = FlowTable([Listener(x.transport, x.host, 5060) for x in flows.listeners])
    for index, listener in enumerate(later.listeners):
        listener.index = index
    box = TokenBox((b"key",), later)
    found = box.flow_of(box.open(text))
    assert found is not None and (found.host, found.port) == ("10.1.0.9", 40000)


def test_a_listener_that_is_gone_leaves_no_flow(flows):
    flow = flows.udp(flows.listeners[0], "10.1.0.9", 40000)
    text = TokenBox((b"key",), flows).make(flow)
    box = TokenBox((b"key",), FlowTable([Listener("udp", "10.0.0.6", 5060)]))
    assert box.flow_of(box.open(text)) is None


def test_no_bit_of_a_token_can_be_changed(flows):
    box = TokenBox((b"key",), flows)
    text = box.make(flows.udp(flows.listeners[0], "10.1.0.9", 40000), NO_ENDPOINT)
    for place in range(len(text)):
        other = b"A" if text[place : place + 1] != b"A" else b"B"
        changed = text[:place] + other + text[place + 1 :]
        assert box.open(changed) is None, place


@pytest.mark.parametrize(
    "text", [b"", b"A", b"====", b"\xff" * 60, b"A" * 60, b"A" * 9999]
)
def test_what_is_no_token_is_none(flows, text):
    assert TokenBox((b"key",), flows).open(text) is None


def test_a_stranger_cannot_fill_the_memory_with_long_tokens(flows):
    box = TokenBox((b"key",), flows)
    for number in range(100):
        box.open(b"%d" % number * 3000)
    assert sum(map(len, box._opened)) < 1000


def test_the_mark_of_a_caller_needs_no_tag():
    assert caller_mark(None) == caller_mark(b"") == b"00000000"
    assert caller_mark(b"a") != caller_mark(b"b")
