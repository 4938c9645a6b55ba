"""Our address in a client's Contact ([MS-SIPRE]), and the way back from it."""

import pytest

from proxy.core.first_hop.contact_token import (
    asks_for_replacement,
    client_uri,
    not_the_first_hop,
    replace_contacts,
    token_of,
)
from proxy.sip.errors import MalformedMessage
from proxy.sip.fields import parse_name_addr
from proxy.sip.uri import parse_uri
from tests.support.messages import read, request
from tests.support.playbook import Playbook

LEGACY = '"A <x>" <sip:alice@192.168.0.2:5062;maddr=192.168.0.2;transport=tcp;opaque=x>'


def register(*contacts: str):
    lines = [f"Contact: {each}" for each in contacts]
    return read(request("REGISTER sip:contoso.test", *lines))


def replaced(contact: str, peer: str = "client/tcp") -> tuple[Playbook, bytes]:
    """The Contact value that leaves."""
    play = Playbook()
    flow, message = play.flow(peer), register(contact)
    replace_contacts(message, flow, flow.listener, play.core.tokens)
    value = message.value("contact")
    assert value is not None
    return play, value


def test_only_the_parameter_asks_and_not_a_word_that_looks_like_it() -> None:
    assert asks_for_replacement(register(f"{LEGACY};proxy=replace"))
    assert not asks_for_replacement(register("<sip:proxy@10.1.0.9;proxy=replace>"))
    assert not asks_for_replacement(register('<sip:a@b>;x="proxy=replace"'))


def test_the_contact_leads_to_us_and_keeps_display_parameters_and_opaque() -> None:
    _, value = replaced(f"{LEGACY};proxy=replace;q=0.5")
    assert value.startswith(b'"A <x>" <sip:')
    assert b"~alice@10.0.0.5:5060;transport=tcp;opaque=x>;q=0.5" in value
    assert b"maddr" not in value and b"proxy" not in value


def test_the_token_opens_and_the_client_gets_its_own_uri_back() -> None:
    play, value = replaced(f"{LEGACY};proxy=replace")
    uri = parse_uri(parse_name_addr(value).uri)
    token = token_of(uri, play.core.tokens)
    assert token is not None and (token.host, token.port) == ("10.1.0.9", 40000)
    flow = play.flow("client/tcp")
    back = b"sip:alice@10.1.0.9:40000;transport=tcp;opaque=x"
    assert client_uri(uri, flow) == back


def test_a_contact_without_brackets_gets_them_and_keeps_its_parameters() -> None:
    _, value = replaced("sip:10.1.0.9:40000;proxy=replace;q=1")
    assert value.startswith(b"<sip:") and value.endswith(b";transport=tcp>;q=1")


@pytest.mark.parametrize(
    "user", ["alice", "~alice", "AAAA~alice", "a" * 60 + "~alice", None]
)
def test_no_other_uri_has_a_token(user: str | None) -> None:
    play = Playbook()
    text = f"sip:{user}@10.0.0.5" if user else "sip:10.0.0.5"
    assert token_of(parse_uri(text.encode()), play.core.tokens) is None


def test_a_token_for_another_purpose_is_none_either() -> None:
    play = Playbook()
    token = play.core.tokens.make(play.flow("client/tcp")).decode()
    uri = parse_uri(f"sip:{token}~alice@10.0.0.5".encode())
    assert token_of(uri, play.core.tokens) is None


@pytest.mark.parametrize(
    "contact",
    [
        "<sip:alice@10.1.0.9>;proxy",
        "<sip:alice@10.1.0.9>;proxy=remove",
        "<sip:alice@10.1.0.9;transport=tls>;proxy=replace",
    ],
)
def test_what_ms_sipre_forbids_is_refused(contact: str) -> None:
    with pytest.raises(MalformedMessage):
        replaced(contact)


def test_a_listener_without_the_mode_says_what_is_missing() -> None:
    refusal = not_the_first_hop("waypost.test")
    assert refusal.status == 403
    assert b"first_hop = true" in refusal.extra[0] and b"1022" in refusal.extra[1]
