"""First-hop mode on real sockets: a signed sign-in, and what comes back for the client.

Both sides check every signature: what [MS-SIPAE] signs must arrive as it was sent,
whatever we do to Contact, Request-URI and keep-alive.
"""

import re

import pytest

from tests.support import sipae
from tests.support.certificates import Authority
from tests.support.transports import NAME, between, values
from tests.wire.test_signed_bytes import ALIAS, ALICE, IDENTITY, exchange, sides

OWN = "<sip:Alice@Contoso.test>"
KEEP = "ms-keep-alive: UAC;hop-hop=yes"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("first-hop"))


@pytest.mark.parametrize(
    "pair", [("tls", "tls"), ("tcp", "tls"), ("tcp", "tcp")], ids="-".join
)
async def test_a_signed_client_signs_in_and_is_reached_through_us(
    authority: Authority, pair: tuple[str, str]
) -> None:
    async with between(authority, *pair, first_hop=True) as scene:
        client, front_end = sides(scene)
        peer = scene.caller
        mine = f"sip:{peer.host}:{peer.port};transport={peer.transport};ms-opaque=d3"
        contact = f'<{mine}>;methods="INVITE, INFO";proxy=replace;+sip.instance="<u>"'
        ends = (ALICE.format("Al1"), OWN)

        sent = client.request(
            *("REGISTER", "sip:contoso.test", 3, KEEP, "Expires: 0600"),
            ends=ends,
            contact=contact,
        )
        arrived = await front_end.gets(sent, b"REGISTER ")
        [ours] = values(arrived, b"Contact")
        uri = re.match(
            rb"<(sip:[\w-]+~@%b:\d+;transport=\w+;ms-opaque=d3)>;" % NAME.encode(), ours
        )
        assert uri
        assert values(arrived, b"ms-keep-alive") == []
        answered = front_end.answer(
            *(arrived, "200 OK", f"Contact: {ours.decode()}", "Expires: 0600")
        )
        at_client = await client.gets(answered, b"SIP/2.0 200 ")
        [keep_alive] = values(at_client, b"ms-keep-alive")
        assert keep_alive == b"UAS; tcp=no; hop-hop=yes; end-end=no; timeout=300"

        for cseq, method in enumerate(("NOTIFY", "BENOTIFY", "MESSAGE"), 1):
            got = await exchange(
                *(front_end, client, method, uri[1].decode(), cseq),
                ends=(ALICE.format("Fe1"), OWN),
                call_id=f"to the client {method}",
            )
            assert got.split(b" ")[1].decode() == mine
        await exchange(
            *(client, front_end, "SERVICE", OWN[1:-1], 1, IDENTITY),
            ends=ends,
            call_id="Service",
        )


async def test_the_client_s_answer_keeps_its_signature_too(
    authority: Authority,
) -> None:
    async with between(authority, "tls", "tls", first_hop=True) as scene:
        client, front_end = sides(scene)
        peer = scene.caller
        contact = f"<sip:{peer.host}:{peer.port};transport=tls>;proxy=replace"
        sent = client.request(
            *("REGISTER", "sip:contoso.test", 1),
            ends=(ALICE.format("Al1"), OWN),
            contact=contact,
        )
        arrived = await front_end.gets(sent, b"REGISTER ")
        await client.gets(front_end.answer(arrived, "200 OK"), b"SIP/2.0 200 ")
        [ours] = values(arrived, b"Contact")
        invite = front_end.request(
            *("INVITE", ours.decode().strip("<>"), 1),
            ends=(ALICE.format("Fe1"), OWN),
            call_id="To Alice",
        )
        at_client = await client.gets(invite, b"INVITE ")
        answered = client.answer(at_client, "200 OK", f"Contact: {contact}")
        back = await front_end.gets(answered, b"SIP/2.0 200 ")
        assert b"proxy=" not in back
        assert f"~@{NAME}:".encode() in values(back, b"Contact")[0]


async def test_a_signed_redirection_keeps_status_and_signature(
    authority: Authority,
) -> None:
    async with between(authority, "tls", "tls", first_hop=True) as scene:
        client, front_end = sides(scene)
        sent = client.request(
            *("REGISTER", "sip:contoso.test", 1), ends=(ALICE.format("Al1"), OWN)
        )
        arrived = await front_end.gets(sent, b"REGISTER ")
        home = "Contact: <sip:fe9.contoso.test:5061;transport=TLS>"
        answered = front_end.answer(
            arrived, "301 Redirect request to Home Server", home
        )
        got = await client.gets(answered, b"SIP/2.0 301 Redirect request")
        [contact] = values(got, b"Contact")
        port = scene.runtime.core.flows.listeners[2].port
        assert contact.decode() == f"<sip:{NAME}:{port};transport=tls>"


async def test_the_alias_still_reaches_its_pool(authority: Authority) -> None:
    """An endpoint is served as everywhere else; its dialog is the client's."""
    shown = authority.issue("pcpool.contoso.test")
    async with between(
        authority, "tls", "tls", pool_certificate=shown, first_hop=True
    ) as scene:
        client, pool = sides(scene)
        peer = scene.caller
        contact = (
            f"<sip:Alice@contoso.test:{peer.port};maddr={peer.host};transport=tls>"
            ";proxy=replace"
        )
        ends = (ALICE.format("Al1"), ALIAS)
        invite = client.request("INVITE", ALIAS[1:-1], 1, ends=ends, contact=contact)
        arrived = await pool.gets(invite, b"INVITE ")
        there = f"Contact: <{scene.callee.contact}>"
        await client.gets(pool.answer(arrived, "200 OK", there), b"SIP/2.0 200 ")
        [ours] = values(arrived, b"Contact")
        back = [f"Route: {x.decode()}" for x in values(arrived, b"Record-Route")]
        got = await exchange(
            *(pool, client, "INFO", ours.decode().strip("<>"), 1, *back),
            ends=(f"{ALIAS};tag=Pool", ends[0]),
        )
        uri = f"sip:Alice@{peer.host}:{peer.port};transport=tls"
        assert got.split(b" ")[1].decode() == uri
        assert sipae.fields(got)
