"""Whom a verified certificate names, and who is trusted for it."""

import pytest

from proxy.net.tls import is_trusted, peer_names, peer_users


def certificate(*alternatives, common=None):
    found = {}
    if alternatives:
        found["subjectAltName"] = alternatives
    if common is not None:
        found["subject"] = ((("countryName", "DE"),), (("commonName", common),))
    return found


@pytest.mark.parametrize(
    ("shown", "names"),
    [
        (None, ()),
        ({}, ()),
        (certificate(("DNS", "FE1.Contoso.test")), ("fe1.contoso.test",)),
        (
            certificate(("URI", "sip:contoso.test"), ("DNS", "fe1.contoso.test")),
            ("fe1.contoso.test", "contoso.test"),
        ),
        (certificate(("DNS", "a.test"), ("DNS", "A.test")), ("a.test",)),
        (certificate(common="fe1.contoso.test"), ("fe1.contoso.test",)),
        (certificate(("DNS", "a.test"), common="b.test"), ("a.test",)),
        (certificate(("URI", "sip:alice@contoso.test")), ()),
        (certificate(("URI", "sips:contoso.test")), ()),
        (certificate(("URI", "https://contoso.test")), ()),
        (certificate(("URI", "sip:")), ()),
        (certificate(("DNS", "*.contoso.test")), ()),
        (certificate(("DNS", "fe*.contoso.test")), ()),
        (certificate(("DNS", "10.0.0.1")), ()),
        (certificate(("IP Address", "10.0.0.1")), ()),
        (certificate(("DNS", "\u212aontoso.test")), ()),
    ],
)
def test_a_certificate_gives_its_peer_these_names(shown, names):
    assert peer_names(shown) == names


@pytest.mark.parametrize(
    ("shown", "users"),
    [
        (None, ()),
        (
            certificate(("URI", "sip:Alice@Contoso.test"), ("URI", "sip:contoso.test")),
            ("alice@contoso.test",),
        ),
        (certificate(("URI", "sips:alice@contoso.test")), ()),
        (certificate(("DNS", "contoso.test")), ()),
        (certificate(("URI", "sip:al\u00efce@contoso.test")), ()),
    ],
)
def test_a_certificate_names_these_users(shown, users):
    assert peer_users(shown) == users


@pytest.mark.parametrize(
    ("names", "trusted", "is_one"),
    [
        (("fe1.contoso.test",), ("fe1.contoso.test",), True),
        (("fe1.contoso.test",), ("*.contoso.test",), True),
        (("a.fe1.contoso.test",), ("*.contoso.test",), False),
        (("contoso.test",), ("*.contoso.test",), False),
        (("other.test", "fe1.contoso.test"), ("fe1.contoso.test",), True),
        ((), ("*.contoso.test",), False),
        (("fe1.contoso.test",), (), False),
    ],
)
def test_a_peer_is_trusted_by_any_of_its_names(names, trusted, is_one):
    assert is_trusted(names, trusted) is is_one
