"""When two URIs are one (RFC 3261 section 19.1.4, its examples included)."""

import pytest

from proxy.sip.uri import parse_uri
from proxy.sip.uri_equality import is_same, uri_key

SAME = [
    (
        "sip:%61lice@atlanta.com;transport=TCP",
        "sip:alice@AtLanTa.CoM;Transport=tcp",
    ),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("sip:b%6fb@10.0.0.1:5060", "sip:bob@10.0.0.1:5060"),
    ("sip:b%6Fb@10.0.0.1", "sip:b%6fb@10.0.0.1"),
    ("sip:a%3bb@h", "sip:a%3Bb@h"),
    ("sip:bob@[2001:db8::1]:5070", "sip:bob@[2001:0DB8:0:0:0:0:0:1]:5070"),
    ("sip:bob@h;maddr=[::1]", "sip:bob@h;maddr=[0:0:0:0:0:0:0:1]"),
    ("sip:bob@h.;lr", "sip:bob@H;lr"),
    ("sip:bob:pw@h", "sip:bob:p%77@h"),
]
DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:bob@h", "sips:bob@h"),
    ("sip:bob@h", "sip:bob@h;user=phone"),
    ("sip:bob@h", "sip:bob@h;ttl=1"),
    ("sip:bob@h", "sip:bob@h;maddr=h"),
    ("sip:bob@h", "sip:bob@h;method=INVITE"),
    ("sip:bob@h", "sip:h"),
    ("sip:bob@h", "sip:bob:pw@h"),
    ("sip:a%3Bb@h", "sip:a;b@h"),  # a reserved character is not its escape
    ("sip:a%40b@h", "sip:ab@h"),
    ("sip:bob@[::1]", "sip:bob@[::2]"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_these_are_one_uri(one, other):
    a, b = parse_uri(one.encode()), parse_uri(other.encode())
    assert is_same(a, b)
    assert is_same(b, a)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_these_are_two(one, other):
    a, b = parse_uri(one.encode()), parse_uri(other.encode())
    assert not is_same(a, b)
    assert not is_same(b, a)
    assert uri_key(a) != uri_key(b)


@pytest.mark.parametrize(
    ("one", "other"), [pair for pair in SAME if "newparam" not in pair[1]]
)
def test_with_the_same_parameters_one_key_does(one, other):
    assert uri_key(parse_uri(one.encode())) == uri_key(parse_uri(other.encode()))
