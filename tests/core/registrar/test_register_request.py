"""What a REGISTER asks for, read without a registrar."""

from dataclasses import replace

import pytest

from proxy.core.registrar.register_request import (
    MAX_URI,
    MAX_VALUE,
    comes_from,
    epid_of,
    find_bound,
    instance_key,
    is_refreshed,
    read_contacts,
    read_path,
)
from proxy.core.settings import RegistrarSettings
from proxy.core.validation import Refusal
from proxy.sip.errors import MalformedMessage
from proxy.sip.flow import Flow, Listener
from proxy.sip.message import Request
from tests.support.messages import read, request
from tests.support.registry import ALICE, Registry

SETTINGS = RegistrarSettings("contoso.test", "contoso.test")
UUID = '"<urn:uuid:4B1682A8-F968-5701-83FC-7C6741DC6697>"'


def register(*contacts: str, headers: tuple[str, ...] = (), **more) -> Request:
    lines = (*(f"Contact: {x}" for x in contacts), *headers)
    message = read(request("REGISTER sip:contoso.test", *lines, **more))
    assert isinstance(message, Request)
    message.via = message.top_via()
    return message


def contacts(*values: str, **more):
    found = read_contacts(register(*values, **more), SETTINGS)
    assert isinstance(found, list)
    return found


def test_contacts_come_in_order_with_their_parameters() -> None:
    first, second = contacts("<sip:a@h>;q=0.3;expires=90, <sip:b@h>")
    assert (first.expires, first.q, first.value) == (90, 0.3, b"<sip:a@h>;q=0.3")
    assert (second.expires, second.q) == (None, 1.0)


@pytest.mark.parametrize(
    ("contact", "header", "expires"),
    [
        ("<sip:a@h>", "Expires: 120", 120),
        ("<sip:a@h>;expires=0", "Expires: 120", 0),
        ("<sip:a@h>;expires=soon", "Expires: 120", None),
        ("<sip:a@h>;expires=99999999999999", "Expires: 1200", 2**32 - 1),
    ],
)
def test_the_parameter_comes_before_the_header(contact, header, expires) -> None:
    (found,) = contacts(contact, headers=(header,))
    assert found.expires == expires


def test_the_wildcard_stands_alone_and_with_expires_zero() -> None:
    assert read_contacts(register("*", headers=("Expires: 0",)), SETTINGS) is None
    for values, header in ((("*",), "Expires: 1"), (("*", "<sip:a@h>"), "Expires: 0")):
        with pytest.raises(MalformedMessage):
            read_contacts(register(*values, headers=(header,)), SETTINGS)


def test_too_many_contacts_and_too_short_a_time_are_refused() -> None:
    few = replace(SETTINGS, max_contacts=1, min_expires=60)
    many = read_contacts(register("<sip:a@h>", "<sip:b@h>"), few)
    assert isinstance(many, Refusal) and many.status == 403
    short = read_contacts(register("<sip:a@h>;expires=59"), few)
    assert isinstance(short, Refusal) and short.extra == (b"Min-Expires: 60",)
    for expires in (0, 60):
        taken = read_contacts(register(f"<sip:a@h>;expires={expires}"), few)
        assert isinstance(taken, list)


@pytest.mark.parametrize(
    "contact",
    [
        "<tel-like>",
        "<sip:a@h>;q=2",
        "<sip:a@h>;q=0.1234",
        f"<sip:{'a' * MAX_URI}@h>",
        f"<sip:a@h>;x={'a' * MAX_VALUE}",
    ],
)
def test_what_cannot_be_used_is_malformed(contact: str) -> None:
    with pytest.raises(MalformedMessage):
        contacts(contact)


def test_a_contact_without_brackets_gets_them() -> None:
    (found,) = contacts("sip:a@h;expires=90;q=0.5")
    assert found.value == b"<sip:a@h>;q=0.5"


def test_a_request_to_a_contact_has_no_headers_and_no_method() -> None:
    (found,) = contacts("<sip:a@h;method=INVITE;x=1?Subject=y>")
    assert found.request_uri == b"sip:a@h;x=1"


def test_an_instance_is_one_client_whatever_its_case_port_and_uri() -> None:
    one, other = (
        contacts(f"<sip:a@10.1.0.9:{port}>;+sip.instance={uuid}")[0]
        for port, uuid in ((1, UUID), (2, UUID.lower()))
    )
    assert one.key == other.key
    assert instance_key(b"<urn:uuid:1>", 2) != instance_key(b"<urn:uuid:1>", 1)
    assert instance_key(b"", 2) == b""


def test_contacts_of_one_request_that_share_an_instance_are_told_apart() -> None:
    keys = {
        x.key for x in contacts(*(f"<sip:{u}@h>;+sip.instance={UUID}" for u in "ab"))
    }
    assert len(keys) == 2


def test_a_reg_id_needs_an_instance_one_contact_and_a_proxy_that_keeps_flows() -> None:
    (found,) = contacts("<sip:a@h>;reg-id=1")
    assert found.reg_id == 0
    flow = f"<sip:a@h>;reg-id=1;+sip.instance={UUID}"
    with pytest.raises(MalformedMessage):
        contacts(flow, "<sip:b@h>")
    through = {"via": ["SIP/2.0/UDP edge.test;branch=z9hG4bK-e", "SIP/2.0/UDP h"]}
    asks = register(flow, headers=("Supported: outbound, path",), **through)
    refused = read_contacts(asks, SETTINGS)
    assert isinstance(refused, Refusal) and refused.status == 439


def test_a_binding_is_found_by_another_spelling_of_its_uri() -> None:
    registry = Registry()
    registry.register("<sip:alice@H.test;transport=TCP>;expires=600")
    bound = {x.key: x for x in registry.core.location.live(ALICE[4:], registry.now)}
    (same,) = contacts("<sip:%61lice@h.test;transport=tcp>")
    found = find_bound(same, bound)
    assert found is not None and is_refreshed(found, same)
    (other,) = contacts("<sip:alice@h.test>")
    assert find_bound(other, bound) is None and find_bound(same, {}) is None


def test_the_path_is_a_line_for_each_entry_and_has_a_bound() -> None:
    headers = ("Path: <sip:a;lr>, <sip:b;lr>", "Path: <sip:c;lr>")
    path = read_path(register(headers=headers))
    assert path == b"<sip:a;lr>\n<sip:b;lr>\n<sip:c;lr>"
    assert read_path(register()) == b""
    for bad in ("Path: <sip:", f"Path: <sip:{'a' * MAX_VALUE};lr>"):
        with pytest.raises(MalformedMessage):
            read_path(register(headers=(bad,)))


def test_the_device_of_a_legacy_client_stands_in_from() -> None:
    assert epid_of(register(from_="<sip:a@h>;tag=1;epid=0badcafe")) == "0badcafe"
    assert epid_of(register()) == ""


@pytest.mark.parametrize(
    ("contact", "transport", "own"),
    [
        ("<sip:alice@10.1.0.9:40000>", "udp", True),
        ("<sip:alice@10.1.0.9:5062>", "udp", False),
        ("<sip:alice@10.1.0.9:5062>", "tcp", True),
        ("<sip:alice@10.1.0.7:40000>", "tcp", False),
        (f"<sip:alice@10.1.0.7>;+sip.instance={UUID}", "tcp", True),
        (f"<sip:alice@10.1.0.7>;+sip.instance={UUID}", "udp", False),
    ],
)
def test_whether_a_contact_is_the_sender_itself(contact, transport, own) -> None:
    flow = Flow(Listener(transport, "10.0.0.5", 5060), "10.1.0.9", 40000, 1)
    (found,) = contacts(contact)
    assert comes_from(found, register(contact), flow) is own
