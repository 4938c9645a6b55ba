"""Which request belongs to which server transaction (RFC 3261 section 17.2.3)."""

import pytest

from proxy.transaction.keys import server_key
from tests.support.messages import read, request

LEGACY_VIA = "SIP/2.0/tcp 10.1.0.9:40000"


def key(*args, method=None, **fields):
    message = read(request(*args, **fields))
    message.via = message.top_via()
    return server_key(message, method)


def legacy(start="INVITE sip:x@contoso.test", **fields):
    return key(start, **{"via": LEGACY_VIA, **fields})


def test_branch_sent_by_and_method_make_the_key():
    assert key() == key(from_="<sip:bob@contoso.test>;tag=2", to="<sip:y@x.test>")
    assert key() != key(branch="z9hG4bK-2")
    assert key() != key(via="SIP/2.0/UDP 10.1.0.9:40001;branch=z9hG4bK-1")
    assert key("INFO sip:x@contoso.test") != key("BYE sip:x@contoso.test")


def test_an_ack_has_the_key_of_its_invite():
    assert key("ACK sip:x@contoso.test") == key("INVITE sip:x@contoso.test")


def test_a_cancel_asks_for_the_key_of_the_invite():
    cancel = key("CANCEL sip:x@contoso.test", method=b"INVITE")
    assert cancel == key("INVITE sip:x@contoso.test")
    assert key("CANCEL sip:x@contoso.test") != cancel


def test_the_magic_cookie_counts_in_any_case():
    """RFC 3261 section 8.1.1.7; some clients write it in capitals."""
    one = key(branch="Z9HG4BK-7", from_="<sip:a@x.test>;tag=1")
    assert one == key(branch="Z9HG4BK-7", from_="<sip:b@x.test>;tag=2")


def test_a_branch_and_a_host_are_the_same_in_any_case():
    """RFC 3261 section 7.3.1: tokens and hosts, but never a method."""
    upper = key(via="SIP/2.0/UDP PC.Example:40000;branch=z9hG4bKAbC")
    assert upper == key(via="SIP/2.0/UDP pc.example:40000;branch=z9hG4bKaBc")
    assert key("foo sip:x@contoso.test") != key("FOO sip:x@contoso.test")


def test_a_branch_that_is_used_again_does_not_merge_two_requests():
    """REGISTER with credentials under the same Via, another call under the same one."""
    assert key(cseq="1 INVITE") != key(cseq="2 INVITE")
    assert key(call_id="a") != key(call_id="b")


def test_an_ack_and_a_cancel_agree_with_their_invite_in_all_of_it():
    invite = key(cseq="7 INVITE", call_id="c7")
    assert key("ACK sip:x@contoso.test", cseq="7 ACK", call_id="c7") == invite
    assert invite == key(
        "CANCEL sip:x@contoso.test", method=b"INVITE", cseq="7 CANCEL", call_id="c7"
    )


@pytest.mark.parametrize("branch", ["1", "z9hG4b", "foo", "z9hG4bK", "Z9HG4BK"])
def test_a_branch_without_the_cookie_is_that_of_an_rfc_2543_client(branch):
    assert key(branch=branch, call_id="a") != key(branch=branch, call_id="b")


@pytest.mark.parametrize(
    "change",
    [
        {"start": "INVITE sip:y@contoso.test"},
        {"from_": "<sip:alice@contoso.test>;tag=other"},
        {"call_id": "other"},
        {"cseq": "2 INVITE"},
        {"via": "SIP/2.0/tcp 10.1.0.9:40001"},
    ],
)
def test_without_branch_all_of_the_old_fields_must_agree(change):
    assert legacy(**change) != legacy()


def test_without_branch_an_ack_finds_its_invite_whatever_its_to_tag():
    """The To tag of the ACK is the one of our response; the INVITE had none."""
    ack = legacy(
        "ACK sip:x@contoso.test", cseq="1 ACK", to="<sip:x@contoso.test>;tag=1"
    )
    assert ack == legacy(to="<sip:x@contoso.test>")


def test_without_branch_a_to_tag_tells_requests_inside_dialogs_apart():
    one, other = (
        legacy("INFO sip:x@contoso.test", to=f"<sip:x@contoso.test>;tag={tag}")
        for tag in (1, 2)
    )
    assert one != other


def test_without_branch_a_cancel_asks_for_the_key_of_the_invite():
    cancel = legacy("CANCEL sip:x@contoso.test", method=b"INVITE")
    assert cancel == legacy()
