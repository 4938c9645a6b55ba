"""A client's connection may be at another node: what is sent there, what it does."""

from proxy.core import commands, events
from proxy.core.proxy import ProxyCore
from proxy.core.settings import CoreSettings, RegistrarSettings
from proxy.core.tokens import TokenBox, caller_mark
from proxy.location.binding import Binding
from proxy.sip.flow import NODE_BITS, Flow, FlowTable, Listener
from tests.support.messages import request

FIRST, SECOND = "10.0.0.1", "10.0.0.2"
CALLER = "10.1.0.9"


class Node:
    """One node of two, with the name that both have."""

    def __init__(self, number: int) -> None:
        self.host = (FIRST, SECOND)[number - 1]
        listeners = [
            Listener(
                transport,
                self.host,
                5060,
                index=index,
                advertised_host="sip.contoso.test",
            )
            for index, transport in enumerate(("udp", "tcp"))
        ]
        self.flows = FlowTable(listeners)
        self.flows.origin = number << NODE_BITS
        settings = CoreSettings(
            domains=frozenset({"contoso.test"}),
            keys=(b"key",),
            registrar=RegistrarSettings("contoso.test", "contoso.test"),
            node_address=(self.host, 5060),
        )
        self.core = ProxyCore(settings, self.flows, lambda *_: None)
        self.others({1: f"sip:{FIRST}:5060;transport=udp", 2: f"sip:{SECOND}:5060"})

    def others(self, nodes: dict[int, str]) -> None:
        """These are alive."""
        self.core.handle(events.NodesChanged(nodes), 1000.0)

    def connection(self) -> Flow:
        """A client's connection to this node."""
        flow = Flow(self.flows.listeners[1], CALLER, 40000, self.flows.origin + 1)
        self.flows.add_stream(flow)
        return flow

    def take(self, data: bytes, host: str = "10.0.1.1") -> list[commands.Send]:
        """What is sent when this comes over UDP."""
        flow = self.flows.udp(self.flows.listeners[0], host, 5060)
        out = self.core.handle(events.MessageReceived(flow, data), 1000.0)
        return [each for each in out if type(each) is commands.Send]


def in_dialog(token: bytes) -> bytes:
    """A request towards the caller, as a callee makes it."""
    user = b"%b.%b" % (token, caller_mark(b"alice-1"))
    return request(
        f"INFO sip:alice@{CALLER}:40000;transport=tcp",
        f"Route: <sip:{user.decode()}@sip.contoso.test:5060;lr>",
        from_="<sip:bob@contoso.test>;tag=bob-1",
        to="<sip:alice@contoso.test>;tag=alice-1",
        via="SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bK-n1",
    )


def test_a_request_for_a_client_of_another_node_is_sent_there_and_arrives():
    first, second = Node(1), Node(2)
    connection = first.connection()
    token = first.core.tokens.make(connection)
    (sent,) = second.take(in_dialog(token))
    assert (sent.flow.host, sent.flow.port) == (FIRST, 5060)
    assert b"\r\nRoute: <sip:%b." % token in sent.data
    assert b"@10.0.0.1:5060;transport=udp;lr>" in sent.data
    (delivered,) = first.take(sent.data, SECOND)
    assert delivered.flow is connection
    assert b"\r\nRoute:" not in delivered.data


def test_a_node_whose_client_is_gone_does_not_send_on_to_a_third():
    first, second = Node(1), Node(2)
    token = first.core.tokens.make(first.connection())
    for flow in first.flows.streams():
        first.flows.remove_stream(flow)
    (sent,) = second.take(in_dialog(token))
    out = first.take(sent.data, SECOND)
    assert all(each.flow.host != SECOND for each in out if b"INFO " in each.data[:5])


def test_a_node_that_is_gone_is_not_sent_to():
    first, second = Node(1), Node(2)
    token = first.core.tokens.make(first.connection())
    second.others({})
    assert all(each.flow.host != FIRST for each in second.take(in_dialog(token)))


def binding(flow: bytes) -> Binding:
    uri = f"sip:anna@{CALLER}:40000;transport=tcp".encode()
    return Binding(
        *("anna@contoso.test", flow, uri, b"<%b>" % uri, 1.0, 9e9, 0.0, b"c", 1),
        flow=flow,
    )


def called(*lines: str) -> bytes:
    return request(
        "MESSAGE sip:anna@contoso.test",
        *lines,
        via="SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bK-n2",
    )


def test_a_contact_of_another_node_is_called_through_it():
    first, second = Node(1), Node(2)
    connection = first.connection()
    token = first.core.tokens.make(connection)
    for node in (first, second):
        node.core.location.load([binding(token)])
    (sent,) = second.take(called())
    assert sent.flow.host == FIRST
    assert sent.data.startswith(b"MESSAGE sip:anna@contoso.test ")
    (delivered,) = first.take(sent.data, SECOND)
    assert delivered.flow is connection
    assert delivered.data.startswith(b"MESSAGE sip:anna@10.1.0.9:40000;")


def test_two_nodes_that_disagree_do_not_send_a_call_to_and_fro():
    """Each believes that the only contact is at the other."""
    first, second = Node(1), Node(2)
    here = first.core.tokens.make(first.connection())
    there = second.core.tokens.make(second.connection())
    second.core.location.load([binding(here)])
    first.core.location.load([binding(there)])
    (sent,) = second.take(called())
    assert sent.flow.host == FIRST
    (refusal,) = first.take(sent.data, SECOND)
    assert refusal.data.startswith(b"SIP/2.0 480 ")
    assert b"\r\nms-diagnostics: 1006;" in refusal.data


def test_a_route_with_a_stolen_token_does_not_lead_to_its_client():
    """It only chooses among the contacts of whom is called."""
    first = Node(1)
    token = first.core.tokens.make(first.connection()).decode()
    stolen = f"Route: <sip:{token}@{FIRST}:5060;lr>"
    (refusal,) = first.take(called(stolen))
    assert refusal.data.startswith(b"SIP/2.0 480 ")


def test_without_nodes_and_workers_a_token_is_what_it_always_was():
    flows = FlowTable([Listener("udp", FIRST, 5060)])
    token = TokenBox((b"key",), flows).make(
        flows.udp(flows.listeners[0], CALLER, 40000)
    )
    opened = TokenBox((b"new", b"key"), flows).open(token)
    assert opened is not None
    assert (opened.node, opened.connection_id) == (0, 0)


def test_of_the_nodes_that_are_alive_the_lowest_number_leads():
    first, second = Node(1), Node(2)
    leads = [each.core.router.nodes.leads for each in (first, second)]
    assert leads == [True, False]
    second.others({2: f"sip:{SECOND}:5060"})
    assert second.core.router.nodes.leads
    assert ProxyCore(CoreSettings(), FlowTable([]), lambda *_: None).router.nodes.leads
