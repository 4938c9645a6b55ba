"""Dialogs across every pair of transports, over the double Record-Route (RFC 5658)."""

import itertools
import re
from collections.abc import Sequence

import pytest

from tests.support.certificates import Authority
from tests.support.transports import (
    NAME,
    TRANSPORTS,
    Between,
    Peer,
    answer,
    between,
    values,
)

PAIRS = list(itertools.product(TRANSPORTS, TRANSPORTS))
METHODS = ("ACK", "BYE", "INFO", "UPDATE", "NOTIFY")
ALICE, ALIAS = "<sip:alice@contoso.test>", "<sip:ocschat@contoso.test>"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("transports"))


def compose(
    peer: Peer,
    method: str,
    uri: str,
    *,
    tags: tuple[str, str],
    ends: tuple[str, str] = (ALICE, ALIAS),
    cseq: int = 1,
    routes: Sequence[bytes] = (),
) -> bytes:
    """A request of a peer; ``tags`` and ``ends`` are those of From and To."""
    to_tag = f";tag={tags[1]}" if tags[1] else ""
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/{peer.transport.upper()} {peer.host}:{peer.port}"
        f";branch=z9hG4bK{method}{cseq}{tags[0]};rport",
        *(f"Route: {route.decode()}" for route in routes),
        "Max-Forwards: 70",
        f"From: {ends[0]};tag={tags[0]}",
        f"To: {ends[1]}{to_tag}",
        "Call-ID: over-two-transports",
        f"CSeq: {cseq} {method}",
        f"Contact: <{peer.contact}>",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


class Dialog:
    """What both sides know once the INVITE has its 200."""

    def __init__(self, scene: Between, at_callee: bytes, at_caller: bytes) -> None:
        self.scene = scene
        self.at_callee = values(at_callee, b"Record-Route")
        self.at_caller = values(at_caller, b"Record-Route")

    def request(self, method: str, *, by_caller: bool) -> tuple[Peer, Peer, bytes]:
        """Who sends, who shall get it, and the request."""
        caller, callee = self.scene.caller, self.scene.callee
        if by_caller:
            routes, uri = self.at_caller[::-1], callee.contact
            cseq = 1 if method == "ACK" else 2
            data = compose(
                caller, method, uri, tags=("a", "b"), cseq=cseq, routes=routes
            )
            return caller, callee, data
        data = compose(
            *(callee, method, caller.contact),
            tags=("b", "a"),
            ends=(ALIAS, ALICE),
            routes=self.at_callee,
        )
        return callee, caller, data


async def invite(scene: Between) -> Dialog:
    """Play INVITE and 200."""
    caller, callee = scene.caller, scene.callee
    caller.send(compose(caller, "INVITE", ALIAS[1:-1], tags=("a", "")))
    arrived = await callee.receive(b"INVITE ")
    callee.send(answer(arrived, f"Contact: <{callee.contact}>", tag="b"))
    return Dialog(scene, arrived, await caller.receive(b"SIP/2.0 200"))


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
async def test_the_route_set_names_us_once_for_each_transport(
    authority: Authority, pair: tuple[str, str]
) -> None:
    async with between(authority, *pair) as scene:
        dialog = await invite(scene)
    ends = [
        [x.partition(b"@") for x in seen]
        for seen in (dialog.at_callee, dialog.at_caller)
    ]
    assert [x[2] for x in ends[0]] == [x[2] for x in ends[1]]
    users = [{x[0] for x in end} for end in ends]
    assert len(users[0]) == len(users[1]) == 1 and users[0] != users[1]
    found = [
        re.fullmatch(rb"<sip:[^@]+@([^:]+):\d+(?:;transport=(\w+))?;lr>", route)
        for route in dialog.at_callee
    ]
    assert all(each and each[1] == NAME.encode() for each in found)
    named = [(each[2] or b"udp").decode() for each in found if each]
    # The side that a peer sees first is the one it can speak.
    assert named == list(dict.fromkeys((pair[1], pair[0])))


@pytest.mark.parametrize("by_caller", [True, False], ids=["caller", "callee"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
async def test_a_request_inside_the_dialog_finds_the_other_side(
    authority: Authority, pair: tuple[str, str], method: str, by_caller: bool
) -> None:
    async with between(authority, *pair) as scene:
        dialog = await invite(scene)
        sender, getter, data = dialog.request(method, by_caller=by_caller)
        sender.send(data)
        arrived = await getter.receive(method.encode() + b" ")
        assert values(arrived, b"Route") == []
        assert arrived.split(b" ")[1] == getter.contact.encode()
        top = values(arrived, b"Via")[0]
        assert top.startswith(f"SIP/2.0/{getter.transport.upper()} {NAME}:".encode())
        for name in (b"From", b"To", b"Call-ID", b"CSeq", b"Contact"):
            assert values(arrived, name) == values(data, name)
        if method != "ACK":
            getter.send(answer(arrived))
            assert values(await sender.receive(b"SIP/2.0 200"), b"Via")
