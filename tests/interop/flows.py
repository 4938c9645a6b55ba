"""The flows that the twin comparison plays: one small coroutine each.

A flow says what the ends send and waits for what it needs to go on; what the proxy
did is judged afterwards from what the ends received (`twin.py`).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from proxy.journey.link import Address, Link
from proxy.journey.wire import Message
from tests.interop.ends import FINAL, Call, End, FlowBroke, branch_of

ALIAS = "sip:ocschat@contoso.test"
SDP = b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nm=message 5060 sip null\r\n"
# What a proxy is seen to send when all the plain flows go through it.
SENT = (
    "INVITE ACK BYE CANCEL INFO MESSAGE SUBSCRIBE NOTIFY UPDATE PRACK REFER"
    " 100 180 183 200 202 401 404 481 483 486 487 500 603"
).split()
TYPE = ("Content-Type", "application/sdp")


class Stage:
    """The proxy under test, a caller, and the front ends of the pool."""

    def __init__(
        self, proxy: Address, front_ends: list[End], usual: str = "udp"
    ) -> None:
        self.proxy = proxy
        self.usual = usual
        self.caller = End("caller", "127.0.0.43")
        self.front_ends = front_ends
        self.notes: dict[str, object] = {}

    @property
    def fe1(self) -> End:
        return self.front_ends[0]

    @property
    def fe2(self) -> End:
        return self.front_ends[1]

    async def dial(self, transport: str = "", uri: str = ALIAS) -> Call:
        """A caller about to send its first request to ``uri``."""
        link: Link = await self.caller.dial(self.proxy, transport or self.usual)
        return Call(link, "<sip:alice@contoso.test>;tag=near", f"<{uri}>", uri)

    async def talk(self, transport: str = "") -> tuple[Call, Call]:
        """An answered call to the alias: both sides of its dialog."""
        near = await self.dial(transport)
        near.send("INVITE", TYPE, body=SDP)
        invite = await self.fe1.expect("INVITE")
        answer = self.fe1.reply(invite, 200)
        near.learn(await self.caller.expect(200))
        near.send("ACK", cseq=1)
        await self.fe1.expect("ACK")
        return near, Call.answered(self.fe1, invite, answer)


Flow = Callable[[Stage], Awaitable[None]]
PLAIN: dict[str, Flow] = {}
FAILOVER: dict[str, Flow] = {}
BRIDGED: dict[str, Flow] = {}


def flow(book: dict[str, Flow]) -> Callable[[Flow], Flow]:
    """Enter a flow into a book under its name."""

    def enter(function: Flow) -> Flow:
        book[getattr(function, "__name__", "")] = function
        return function

    return enter


async def ask(
    near: Call, from_end: End, to_end: End, method: str, *headers: tuple[str, str]
) -> Message:
    """One request and its 200 in a dialog; returns what the far end got."""
    near.send(method, *headers)
    request = await to_end.expect(method)
    to_end.reply(request, 200)
    await from_end.expect(200)
    return request


@flow(PLAIN)
async def invite_answered_and_hung_up(s: Stage) -> None:
    near = await s.dial()
    near.send("INVITE", TYPE, body=SDP)
    invite = await s.fe1.expect("INVITE")
    s.fe1.reply(invite, 180)
    await s.caller.expect(180)
    s.fe1.reply(invite, 200)
    near.learn(await s.caller.expect(200))
    near.send("ACK", cseq=1)
    await s.fe1.expect("ACK")
    await ask(near, s.caller, s.fe1, "BYE")


@flow(PLAIN)
async def invite_over_tcp(s: Stage) -> None:
    near, _ = await s.talk("tcp")
    await ask(near, s.caller, s.fe1, "BYE")


@flow(PLAIN)
async def busy(s: Stage) -> None:
    near = await s.dial()
    sent = near.send("INVITE", TYPE, body=SDP)
    s.fe1.reply(await s.fe1.expect("INVITE"), 486)
    answer = await s.caller.expect(486)
    await s.fe1.expect("ACK")
    near.remote = answer.get("To")
    near.send("ACK", cseq=1, branch=branch_of(sent))
    await asyncio.sleep(0.05)
    s.notes["ACKs at the front end"] = s.fe1.count("ACK")


@flow(PLAIN)
async def declined_everywhere(s: Stage) -> None:
    near = await s.dial()
    sent = near.send("INVITE", TYPE, body=SDP)
    s.fe1.reply(await s.fe1.expect("INVITE"), 603)
    near.remote = (await s.caller.expect(603)).get("To")
    near.send("ACK", cseq=1, branch=branch_of(sent))
    await s.fe1.expect("ACK")


@flow(PLAIN)
async def server_error_passes_unchanged(s: Stage) -> None:
    near = await s.dial()
    near.send("MESSAGE", ("Content-Type", "text/plain"), body=b"hello")
    s.fe1.reply(await s.fe1.expect("MESSAGE"), 500, ("Retry-After", "7"))
    await s.caller.expect(500)


@flow(PLAIN)
async def challenge_passes_unchanged(s: Stage) -> None:
    near = await s.dial()
    near.send("MESSAGE", ("Content-Type", "text/plain"), body=b"hello")
    challenge = ("WWW-Authenticate", 'Digest realm="contoso.test", nonce="n"')
    s.fe1.reply(await s.fe1.expect("MESSAGE"), 401, challenge)
    await s.caller.expect(401)


@flow(PLAIN)
async def cancelled_while_ringing(s: Stage) -> None:
    near = await s.dial()
    sent = near.send("INVITE", TYPE, body=SDP)
    invite = await s.fe1.expect("INVITE")
    s.fe1.reply(invite, 180)
    await s.caller.expect(180)
    near.send("CANCEL", cseq=1, branch=branch_of(sent))
    cancel = await s.fe1.expect("CANCEL")
    s.notes["CANCEL has the branch of the INVITE"] = branch_of(cancel) == branch_of(
        invite
    )
    s.fe1.reply(cancel, 200)
    s.fe1.reply(invite, 487)
    await s.caller.expect(200)
    near.remote = (await s.caller.expect(487)).get("To")
    near.send("ACK", cseq=1, branch=branch_of(sent))
    await s.fe1.expect("ACK")


@flow(PLAIN)
async def cancel_of_nothing(s: Stage) -> None:
    near = await s.dial()
    near.send("CANCEL", cseq=1)
    with contextlib.suppress(FlowBroke):  # one of the two proxies says nothing
        await s.caller.expect(481, patience=2.0)


@flow(PLAIN)
async def unknown_alias(s: Stage) -> None:
    near = await s.dial(uri="sip:nobody@contoso.test")
    near.send("MESSAGE", ("Content-Type", "text/plain"), body=b"hello")
    await s.caller.expect(404)


@flow(PLAIN)
async def alias_in_capitals(s: Stage) -> None:
    near = await s.dial(uri="sip:OCSChat@contoso.test")
    await ask(near, s.caller, s.fe1, "MESSAGE")


@flow(PLAIN)
async def channel_uri_keeps_its_request_uri(s: Stage) -> None:
    near = await s.dial(uri="sip:GC-1-PersistentChatService-1@contoso.test")
    await ask(near, s.caller, s.fe1, "MESSAGE")


@flow(PLAIN)
async def subscribe_and_notify(s: Stage) -> None:
    near = await s.dial()
    near.send("SUBSCRIBE", ("Event", "presence"), ("Expires", "600"))
    subscribe = await s.fe1.expect("SUBSCRIBE")
    answer = s.fe1.reply(subscribe, 200, ("Expires", "600"))
    near.learn(await s.caller.expect(200))
    far = Call.answered(s.fe1, subscribe, answer)
    await ask(far, s.fe1, s.caller, "NOTIFY", ("Event", "presence"))
    await ask(near, s.caller, s.fe1, "SUBSCRIBE", ("Expires", "0"))


@flow(PLAIN)
async def message(s: Stage) -> None:
    await ask(await s.dial(), s.caller, s.fe1, "MESSAGE")


@flow(PLAIN)
async def options_through_the_proxy(s: Stage) -> None:
    await ask(await s.dial(), s.caller, s.fe1, "OPTIONS")


@flow(PLAIN)
async def options_to_the_proxy(s: Stage) -> None:
    near = await s.dial(uri="sip:{}:{}".format(*s.proxy))
    near.send("OPTIONS")
    await s.caller.expect(200)


@flow(PLAIN)
async def no_hops_left(s: Stage) -> None:
    near = await s.dial()
    near.send("MESSAGE", max_forwards=0)
    await s.caller.expect(483)


@flow(PLAIN)
async def info_both_ways(s: Stage) -> None:
    near, far = await s.talk()
    await ask(near, s.caller, s.fe1, "INFO")
    await ask(far, s.fe1, s.caller, "INFO")
    await ask(near, s.caller, s.fe1, "BYE")


@flow(PLAIN)
async def info_both_ways_over_tcp(s: Stage) -> None:
    near, far = await s.talk("tcp")
    await ask(near, s.caller, s.fe1, "INFO")
    await ask(far, s.fe1, s.caller, "INFO")


@flow(PLAIN)
async def the_pool_hangs_up(s: Stage) -> None:
    _, far = await s.talk()
    await ask(far, s.fe1, s.caller, "BYE")


@flow(PLAIN)
async def reinvite(s: Stage) -> None:
    near, _ = await s.talk()
    near.send("INVITE", TYPE, body=SDP)
    s.fe1.reply(await s.fe1.expect("INVITE"), 200)
    await s.caller.expect(200)
    near.send("ACK", cseq=2)
    await s.fe1.expect("ACK")


@flow(PLAIN)
async def update(s: Stage) -> None:
    near, _ = await s.talk()
    await ask(near, s.caller, s.fe1, "UPDATE")


@flow(PLAIN)
async def prack_in_an_early_dialog(s: Stage) -> None:
    near = await s.dial()
    near.send("INVITE", TYPE, ("Supported", "100rel"), body=SDP)
    invite = await s.fe1.expect("INVITE")
    s.fe1.reply(invite, 183, ("RSeq", "1"), ("Require", "100rel"))
    near.learn(await s.caller.expect(183))
    await ask(near, s.caller, s.fe1, "PRACK", ("RAck", "1 1 INVITE"))
    s.fe1.reply(invite, 200)
    await s.caller.expect(200)
    near.send("ACK", cseq=1)
    await s.fe1.expect("ACK")


@flow(PLAIN)
async def refer_in_a_dialog(s: Stage) -> None:
    near, _ = await s.talk()
    near.send("REFER", ("Refer-To", "<sip:bob@contoso.test>"))
    s.fe1.reply(await s.fe1.expect("REFER"), 202)
    await s.caller.expect(202)


@flow(PLAIN)
async def a_method_never_heard_of(s: Stage) -> None:
    near, far = await s.talk()
    await ask(near, s.caller, s.fe1, "FROBNICATE")
    await ask(far, s.fe1, s.caller, "FROBNICATE")


@flow(PLAIN)
async def a_method_never_heard_of_outside_a_dialog(s: Stage) -> None:
    await ask(await s.dial(), s.caller, s.fe1, "FROBNICATE")


@flow(PLAIN)
async def benotify_is_never_answered(s: Stage) -> None:
    _, far = await s.talk()
    far.send("BENOTIFY", ("Event", "presence"))
    await s.caller.expect("BENOTIFY")
    await asyncio.sleep(0.1)


@flow(PLAIN)
async def own_route_preloaded(s: Stage) -> None:
    near = await s.dial()
    near.routes = ["<sip:{}:{};lr>".format(*s.proxy)]
    await ask(near, s.caller, s.fe1, "MESSAGE")


@flow(PLAIN)
async def a_strict_router_before_us(s: Stage) -> None:
    near, _ = await s.talk()
    (own,) = near.routes
    # RFC 3261 16.4: our Record-Route in the Request-URI, the target in the last Route.
    near.send("INFO", uri=own.strip("<>"), routes=[f"<{near.target}>"])
    s.fe1.reply(await s.fe1.expect("INFO"), 200)
    await s.caller.expect(200)


@flow(PLAIN)
async def the_200_is_repeated_after_its_ack(s: Stage) -> None:
    near = await s.dial()
    near.send("INVITE", TYPE, body=SDP)
    invite = await s.fe1.expect("INVITE")
    for _ in range(2):
        s.fe1.reply(invite, 200)
        near.learn(await s.caller.expect(200))
        near.send("ACK", cseq=1)
        await s.fe1.expect("ACK")
    s.notes["200s"], s.notes["ACKs"] = s.caller.count(200), s.fe1.count("ACK")


@flow(PLAIN)
async def a_repeated_request_is_absorbed(s: Stage) -> None:
    near = await s.dial()
    sent = near.send("MESSAGE")
    first = await s.fe1.expect("MESSAGE")
    near.link.send(sent.encode())
    await asyncio.sleep(0.05)
    s.fe1.reply(first, 200)
    await s.caller.expect(200)
    near.link.send(sent.encode())
    await s.caller.expect(200)
    s.notes["MESSAGEs at the front end"] = s.fe1.count("MESSAGE")


@flow(PLAIN)
async def an_invite_without_branch_is_recognised(s: Stage) -> None:
    near = await s.dial()
    invite = near.request("INVITE", TYPE, body=SDP)
    invite.headers[0] = ("Via", invite.get("Via").split(";")[0])
    near.link.send(invite.encode())
    got = await s.fe1.expect("INVITE")
    near.link.send(invite.encode())
    await asyncio.sleep(0.05)
    s.fe1.reply(got, 200)
    near.learn(await s.caller.expect(200))
    s.notes["INVITEs at the front end"] = s.fe1.count("INVITE")


@flow(PLAIN)
async def unknown_header_fields_pass_in_their_order(s: Stage) -> None:
    near = await s.dial()
    near.send(
        "MESSAGE",
        ("X-One", 'a, "b;c" ;q="<x>"'),
        ("Accept-Language", "en"),
        ("X-One", "second"),
        ("P-Preferred-Identity", "<sip:alice@contoso.test>"),
        ("Supported", "ms-sender"),
    )
    s.fe1.reply(await s.fe1.expect("MESSAGE"), 200, ("X-Two", "1"), ("X-Two", "2"))
    await s.caller.expect(200)


@flow(PLAIN)
async def a_dialog_request_without_our_route(s: Stage) -> None:
    near, _ = await s.talk()
    near.routes = []
    near.send("INFO", uri="sip:stranger@contoso.test")
    await s.caller.expect(404)


@flow(FAILOVER)
async def the_first_front_end_is_unavailable(s: Stage) -> None:
    near = await s.dial()
    near.send("INVITE", TYPE, body=SDP)
    s.fe1.reply(await s.fe1.expect("INVITE"), 503)
    await s.fe1.expect("ACK")
    s.fe2.reply(await s.fe2.expect("INVITE"), 200)
    near.learn(await s.caller.expect(200))
    near.send("ACK", cseq=1)
    await s.fe2.expect("ACK")
    await ask(near, s.caller, s.fe2, "BYE")


@flow(FAILOVER)
async def the_first_front_end_refuses_datagrams(s: Stage) -> None:
    await s.fe1.close()
    near = await s.dial()
    near.send("MESSAGE")
    s.fe2.reply(await s.fe2.expect("MESSAGE"), 200)
    await s.caller.expect(200)


@flow(FAILOVER)
async def the_first_front_end_refuses_connections(s: Stage) -> None:
    await s.fe1.close()
    near = await s.dial("tcp")
    near.send("MESSAGE")
    s.fe2.reply(await s.fe2.expect("MESSAGE"), 200)
    await s.caller.expect(200)


@flow(FAILOVER)
async def the_first_front_end_says_nothing(s: Stage) -> None:
    near = await s.dial()
    near.send("SUBSCRIBE", ("Event", "presence"), ("Expires", "600"))
    await s.fe1.expect("SUBSCRIBE")
    s.fe2.reply(await s.fe2.expect("SUBSCRIBE"), 200, ("Expires", "600"))
    await s.caller.expect(200)


@flow(FAILOVER)
async def every_front_end_is_unavailable(s: Stage) -> None:
    near = await s.dial()
    near.send("MESSAGE")
    s.fe1.reply(await s.fe1.expect("MESSAGE"), 503)
    s.fe2.reply(await s.fe2.expect("MESSAGE"), 503)
    await s.caller.expect(FINAL)


@flow(BRIDGED)
async def tcp_outside_and_udp_inside(s: Stage) -> None:
    near, far = await s.talk("tcp")
    await ask(near, s.caller, s.fe1, "INFO")
    await ask(far, s.fe1, s.caller, "INFO")
    await ask(far, s.fe1, s.caller, "BYE")
