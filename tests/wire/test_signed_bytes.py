"""What [MS-SIPAE] signs passes the proxy unchanged, to the last byte.

The client and the front end sign every message of the whole journey; each checks what
arrives.  The status of a signed response never changes.
"""

import itertools
from collections.abc import Iterator

import pytest

from tests.support import sipae
from tests.support.certificates import Authority
from tests.support.transports import POOL, Between, Peer, between, values

KEY = bytes(range(16))
# As the installed clients write them: epid, upper case, spaces, UTF-8, no brackets.
ALICE = '"Alicé, A."  <sip:Alice@Contoso.test>;tag={};epid=0BADcafe'
ALIAS = "<sip:OCSChat@contoso.test>"
IDENTITY = 'P-Preferred-Identity: "A" <sip:Alice@contoso.test>, <tel:+4912345;ext=7>'


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("signed"))


class Side:
    """A peer that signs what it sends and checks what it gets."""

    def __init__(self, peer: Peer, *, is_client: bool) -> None:
        self.peer = peer
        self.is_client = is_client
        self._numbers: Iterator[int] = itertools.count(1)

    def send(self, head: list[str], body: str = "") -> bytes:
        """Sign and send; the bytes that left."""
        line = sipae.proof(next(self._numbers), of_client=self.is_client)
        lines = [*head, line, f"Content-Length: {len(body)}", "", body]
        data = sipae.signed("\r\n".join(lines).encode(), KEY)
        self.peer.send(data)
        return data

    def request(
        self,
        method: str,
        uri: str,
        cseq: int,
        *more: str,
        ends: tuple[str, str],
        call_id: str = "Signed@Alice",
        contact: str = "",
    ) -> bytes:
        """A signed request with a header order that legacy clients have."""
        peer = self.peer
        return self.send(
            [
                f"{method} {uri} SIP/2.0",
                f"Via: SIP/2.0/{peer.transport} {peer.host}:{peer.port}"
                f";branch=z9hG4bK{method}{cseq}{call_id[:6]}",
                f"From: {ends[0]}",
                f"TO:{ends[1]}",
                "Max-Forwards:  70",
                f"i: {call_id}",
                f"CSeq:  {cseq}   {method}",
                f"Contact: {contact or f'<{peer.contact}>'}",
                *more,
            ],
            "v=0\r\n" if method == "INVITE" else "",
        )

    def answer(self, request: bytes, status: str, *more: str) -> bytes:
        """A signed response; the signed headers are spelled as in the request."""
        head = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")
        names = ("via:", "record-route:", "from:", "to:", "i:", "cseq:")
        copied = [line for line in head if line.lower().startswith(names)]
        copied = [
            f"{line};tag=Pool"
            if line.startswith("TO:") and ";tag=" not in line
            else line
            for line in copied
        ]
        return self.send([f"SIP/2.0 {status}", *copied, *more])

    async def gets(self, sent: bytes, start: bytes) -> bytes:
        """What arrives of what the other side sent; its signature is checked."""
        arrived = await self.peer.receive(start)
        assert sipae.fields(arrived) == sipae.fields(sent)
        assert sipae.buffer(arrived) == sipae.buffer(sent)
        assert sipae.is_genuine(arrived, KEY)
        return arrived


def sides(scene: Between) -> tuple[Side, Side]:
    """The client and the pool."""
    return Side(scene.caller, is_client=True), Side(scene.callee, is_client=False)


async def exchange(
    sender: Side, getter: Side, method: str, *request: object, **ends: object
) -> bytes:
    """A request and its 200, each signed and checked."""
    sent = sender.request(method, *request, **ends)  # type: ignore[arg-type]
    arrived = await getter.gets(sent, method.encode() + b" ")
    if method not in ("ACK", "BENOTIFY"):
        answered = getter.answer(arrived, "200 Very  OK", "Expires: 0300")
        await sender.gets(answered, b"SIP/2.0 200 ")
    return arrived


@pytest.mark.parametrize(
    "pair",
    [("tcp", "tls"), ("tls", "tls"), ("udp", "tls"), ("tls", "tcp")],
    ids="-".join,
)
async def test_every_message_of_the_journey_keeps_its_signature(
    authority: Authority, pair: tuple[str, str]
) -> None:
    shown = authority.issue(POOL) if pair[1] == "tls" else None
    async with between(authority, *pair, pool_certificate=shown) as scene:
        client, pool = sides(scene)
        to_us = (ALICE.format("Al1"), ALIAS)
        await exchange(
            *(client, pool, "SUBSCRIBE", ALIAS[1:-1], 1, "Expires: 00600", IDENTITY),
            ends=to_us,
            call_id="Subscription",
        )
        await exchange(
            *(client, pool, "SERVICE", ALIAS[1:-1], 1, IDENTITY),
            ends=to_us,
            call_id="Service",
        )
        invite = client.request("INVITE", ALIAS[1:-1], 1, IDENTITY, ends=to_us)
        arrived = await pool.gets(invite, b"INVITE ")
        ringing = pool.answer(arrived, "183 Session  progress")
        await client.gets(ringing, b"SIP/2.0 183 Session  progress\r\n")
        contact = f"Contact: <{scene.callee.contact}>"
        answered = pool.answer(arrived, "200 ok", contact, "Session-Expires: 1800")
        at_client = await client.gets(answered, b"SIP/2.0 200 ok\r\n")

        out = [f"Route: {x.decode()}" for x in values(at_client, b"Record-Route")[::-1]]
        back = [f"Route: {x.decode()}" for x in values(arrived, b"Record-Route")]
        ends = (to_us[0], f"{ALIAS};tag=Pool")
        here, there = scene.caller.contact, scene.callee.contact
        await exchange(client, pool, "ACK", there, 1, *out, ends=ends)
        for cseq, method in enumerate(("INFO", "UPDATE", "MESSAGE", "INFO"), 2):
            await exchange(client, pool, method, there, cseq, *out, IDENTITY, ends=ends)
        for cseq, method in enumerate(("INFO", "NOTIFY", "UPDATE", "BENOTIFY"), 1):
            await exchange(pool, client, method, here, cseq, *back, ends=ends[::-1])
        await exchange(client, pool, "BYE", there, 9, *out, ends=ends)


STATUSES = (
    *(200, 202, 301, 302, 400, 401, 403, 404, 405, 407, 410, 415, 420, 423, 480, 481),
    *(484, 486, 487, 488, 489, 491, 494, 500, 501, 502, 503, 504, 505, 513, 580),
    *(600, 603, 604, 606),
)


@pytest.mark.parametrize("method", ["INVITE", "SERVICE", "SUBSCRIBE"])
async def test_the_status_of_a_signed_response_never_changes(
    authority: Authority, method: str
) -> None:
    async with between(authority, "tcp", "tcp") as scene:
        client, pool = sides(scene)
        for status in STATUSES:
            request = client.request(
                *(method, ALIAS[1:-1], 1),
                ends=(ALICE.format("Al1"), ALIAS),
                call_id=f"{status}@status",
            )
            arrived = await pool.gets(request, method.encode() + b" ")
            sent = pool.answer(arrived, f"{status} As  the pool  says")
            await client.gets(sent, b"SIP/2.0 %d As  the pool  says\r\n" % status)


MESSAGE = (
    "INVITE sip:ocschat@contoso.test SIP/2.0\r\nVia: SIP/2.0/TCP 10.1.2.3:5060\r\n"
    f"From: {ALICE.format('a1')}\r\nTo: {ALIAS};tag=b2\r\nCall-ID: c3\r\n"
    "CSeq: 1 INVITE\r\nExpires: 600\r\n"
    "P-Asserted-Identity: <sip:Alice@contoso.test>\r\n"
    f"P-Asserted-Identity: <tel:+49123>\r\n{sipae.proof(7, of_client=True)}\r\n\r\n"
)


def test_the_buffer_is_the_sixteen_fields_in_angle_brackets() -> None:
    expected = (
        "<NTLM><00000007><7><SIP Communications Service><fe1.contoso.test><c3><1>"
        "<INVITE><sip:Alice@Contoso.test><a1><sip:OCSChat@contoso.test><b2>"
        "<sip:Alice@contoso.test><tel:+49123><600>"
    )
    assert sipae.buffer(MESSAGE.encode()).decode() == expected
    older = sipae.buffer(MESSAGE.encode(), version=2).decode()
    assert older == expected.replace("<sip:OCSChat@contoso.test>", "").replace(
        "<sip:Alice@contoso.test><tel:+49123>", ""
    )
    response = MESSAGE.replace(
        "INVITE sip:ocschat@contoso.test SIP/2.0", "SIP/2.0 480 x"
    )
    assert sipae.buffer(response.encode()).decode() == expected + "<480>"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Alice@Contoso", "alice@contoso"),
        ("tag=a1", "tag=a2"),
        ("OCSChat", "ocschat"),
        ("tag=b2", "tag=b3"),
        ("Call-ID: c3", "Call-ID: C3"),
        ("CSeq: 1", "CSeq: 2"),
        ("Expires: 600", "Expires: 0600"),
        ("<tel:+49123>", "<tel:+49124>"),
        ('cnum="7"', 'cnum="8"'),
    ],
)
def test_a_changed_signed_field_is_noticed(old: str, new: str) -> None:
    data = sipae.signed(MESSAGE.encode(), KEY)
    assert sipae.is_genuine(data, KEY)
    assert not sipae.is_genuine(data.replace(old.encode(), new.encode(), 1), KEY)


def test_what_a_proxy_may_edit_is_not_signed() -> None:
    data = sipae.signed(MESSAGE.encode(), KEY)
    edited = data.replace(b"sip:ocschat@contoso.test SIP", b"sip:x@pool.test SIP")
    edited = edited.replace(b"Via: ", b"Via: SIP/2.0/TLS p.test\r\nVia: ")
    assert sipae.is_genuine(edited, KEY)
