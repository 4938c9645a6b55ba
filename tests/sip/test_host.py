"""Hosts in one spelling (RFC 5954 section 4.2, RFC 5952)."""

import pytest

from proxy.sip.host import canonical_host


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("Proxy.Contoso.TEST.", "proxy.contoso.test"),
        ("192.0.2.1", "192.0.2.1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("::0001", "::1"),
        ("[2001:0DB8:0000:0000:0000:0000:0000:000A]", "2001:db8::a"),
        ("[2001:db8::192.0.2.1]", "2001:db8::c000:201"),
        ("[2001:db8:::192.0.2.1]", "2001:db8::c000:201"),  # RFC 5118 section 4.10
        ("[1:2]", "1:2"),  # no address, and nobody's
    ],
)
def test_every_host_has_one_spelling(written, canonical):
    assert canonical_host(written) == canonical
    assert canonical_host(canonical) == canonical
