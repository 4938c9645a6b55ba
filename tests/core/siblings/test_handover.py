"""What a worker's core gives to a sibling, and what it keeps."""

from proxy.core import commands, events
from proxy.core.proxy import ProxyCore
from proxy.core.settings import CoreSettings
from proxy.core.siblings.directory import (
    DIRECTORY_BYTES,
    Siblings,
)
from proxy.endpoints.table import EndpointTable
from proxy.sip.flow import NODE_BITS, WORKER_BITS, FlowTable, Listener
from tests.support.messages import request, response

SHARED = memoryview(bytearray(DIRECTORY_BYTES))

PROXY = "10.0.0.5"


def worker(index: int, table: EndpointTable | None = None) -> ProxyCore:
    """One of two workers, whose own UDP port is 6000 and its index."""
    siblings = Siblings(index, 2, 0xABCDEF, 1, SHARED)
    siblings.outlets = [b"10.0.0.5:6000", b"10.0.0.5:6001"]
    udp = Listener("udp", PROXY, 5060, index=0)
    flows = FlowTable([udp, Listener("tcp", PROXY, 5060, index=1)])
    udp.add_outlet(6000 + index, 2)
    flows.origin = 7 << NODE_BITS | index << WORKER_BITS
    settings = CoreSettings(
        domains=frozenset({"contoso.test"}),
        default_route=b"sip:10.0.1.1:5070;transport=udp",
        keys=(b"key",),
    )
    return ProxyCore(settings, flows, lambda *_: None, table, siblings=siblings)


def take(core: ProxyCore, data: bytes, port: int = 40000, now: float = 1000.0):
    """The commands that a datagram from a client leads to."""
    flow = core.flows.udp(core.flows.listeners[0], "10.1.0.9", port)
    core.receive(flow, data, now)
    return core.take_commands()


def sent(out, start: bytes):
    return [x for x in out if type(x) is commands.Send and x.data.startswith(start)]


INVITE = request("INVITE sip:bob@contoso.test", branch="z9hG4bK-sib0")


def test_a_request_of_ours_leaves_by_our_own_port_and_the_dialog_by_the_common_one():
    (out,) = sent(take(worker(1), INVITE), b"INVITE")
    assert out.flow.listener.port == 6001
    assert b"\r\nVia: SIP/2.0/UDP 10.0.0.5:6001;branch=z9hG4bKwpabcdef01." in out.data
    assert b"@10.0.0.5:5060;lr>" in out.data


def test_a_repeated_request_from_another_port_goes_to_whoever_has_it():
    first, second = worker(0), worker(1)
    invite = request("INVITE sip:bob@contoso.test", branch="z9hG4bK-sib1")
    take(first, invite)
    (handed,) = take(second, invite, port=50001)
    assert isinstance(handed, commands.HandOver)
    assert (handed.worker, handed.data, handed.reason) == (0, invite, "")
    assert not sent(take(first, handed.data, port=50001), b"INVITE")


def test_a_cancel_goes_where_its_invite_is_and_a_stray_one_is_answered():
    first, second = worker(0), worker(1)
    invite = request("INVITE sip:bob@contoso.test", branch="z9hG4bK-sib2")
    take(first, invite)
    cancel = request("CANCEL sip:bob@contoso.test", branch="z9hG4bK-sib2")
    (handed,) = take(second, cancel, port=50001)
    assert (type(handed), handed.worker) == (commands.HandOver, 0)
    assert sent(take(first, handed.data), b"SIP/2.0 200")
    stray = request("CANCEL sip:bob@contoso.test", branch="z9hG4bK-nobody")
    assert sent(take(second, stray), b"SIP/2.0 481")


def test_a_response_goes_to_the_worker_that_its_branch_names():
    first, second = worker(0), worker(1)
    invite = request("INVITE sip:bob@contoso.test", branch="z9hG4bK-sib3")
    (forwarded,) = sent(take(first, invite), b"INVITE")
    ringing = response(forwarded.data, 180)
    (handed,) = take(second, ringing, port=5070)
    assert (type(handed), handed.worker) == (commands.HandOver, 0)
    assert sent(take(first, handed.data, port=5070), b"SIP/2.0 180")
    # One that its own worker does not know either ends there.
    unknown = ringing.replace(b"z9hG4bKwpabcdef00.", b"z9hG4bKwpabcdef00.ff")
    assert take(first, unknown, port=5070) == []
    assert first.responses.strays == 1
    foreign = ringing.replace(b"z9hG4bKwpabcdef00.", b"z9hG4bKwp12345600.")
    assert take(second, foreign, port=5070) == []
    assert second.responses.strays == 1


def test_what_icmp_gives_back_goes_to_whoever_sent_it():
    first, second = worker(0), worker(1)
    invite = request("INVITE sip:bob@contoso.test", branch="z9hG4bK-sib4")
    (forwarded,) = sent(take(first, invite), b"INVITE")
    event = events.DatagramRefused(forwarded.flow, forwarded.data, "refused")
    (handed,) = second.handle(event, 1000.1)
    assert (handed.worker, handed.reason) == (0, "refused")


def test_a_user_nobody_knows_is_looked_at_again_once_the_news_is_read():
    core = worker(0)
    core.settings = core.router.settings
    core.router.default_lookup = None
    message = request("MESSAGE sip:new@contoso.test", branch="z9hG4bK-sib5")
    (again,) = take(core, message)
    assert (type(again), again.worker) == (commands.HandOver, 0)
    core.handle(events.UriTold("sip:new@contoso.test", "pc.contoso.test", "x"), 1000.0)
    assert not sent(take(core, again.data), b"SIP/2.0 404")

    stranger = request("MESSAGE sip:none@contoso.test", branch="z9hG4bK-sib6")
    (again,) = take(core, stranger)
    assert sent(take(core, again.data), b"SIP/2.0 404")
