"""A request does not go back to the server that sent it; the rest is in test_router.py,
and in forwarding/test_candidates.py."""

import pytest

from proxy.core.routing.next_hops import _is_sender
from proxy.pools.front_end import FrontEnd
from proxy.sip.flow import Flow, Listener
from tests.support.messages import read, request


@pytest.mark.parametrize(
    ("transport", "sent_by", "port", "is_sender"),
    [
        ("tcp", "10.1.0.21:5060", 5060, True),
        ("tcp", "10.1.0.21", 5060, True),
        ("tls", "fe1.contoso.test", 5061, True),  # the default port of its transport
        ("tls", "fe1.contoso.test", 5060, False),
        ("tls", "fe1.contoso.test:5041", 5041, True),
        ("udp", "10.1.0.21:5062", 5060, False),  # another server of that machine
    ],
)
def test_the_sender_is_known_by_the_port_of_its_via(
    transport, sent_by, port, is_sender
):
    via = f"SIP/2.0/{transport.upper()} {sent_by};branch=z9hG4bK-1"
    asked = read(request(via=via))
    asked.via = asked.top_via()
    flow = Flow(Listener(transport, "10.1.0.5", 5060), "10.1.0.21", 40000)
    front_end = FrontEnd(transport, "10.1.0.21", port, "fe1.contoso.test")
    assert _is_sender(asked, flow, front_end) is is_sender


def test_a_server_with_a_certificate_is_known_by_its_name():
    asked = read(request(via="SIP/2.0/TLS 192.0.2.9:1;branch=z9hG4bK-1"))
    flow = Flow(Listener("tls", "10.1.0.5", 5061), "10.1.0.99", 40000)
    flow.peer_names = ("fe1.contoso.test",)
    front_end = FrontEnd("tls", "10.1.0.21", 5061, "fe1.contoso.test")
    assert _is_sender(asked, flow, front_end)
