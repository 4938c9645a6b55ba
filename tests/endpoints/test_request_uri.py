"""What a request to an endpoint is addressed to when it leaves."""

import pytest

from proxy.endpoints.request_uri import request_uri_for


@pytest.mark.parametrize(
    ("policy", "dialled", "leaves"),
    [
        ("pool-host", b"sip:OCSChat@contoso.com", b"sip:OCSChat@pc.contoso.com"),
        ("pool-host", b"sip:chat@contoso.com:5060", b"sip:chat@pc.contoso.com"),
        (
            "pool-host",
            b"sip:chat@contoso.com;Transport=tcp;x=1;maddr=10.0.0.1;y",
            b"sip:chat@pc.contoso.com;x=1;y",
        ),
        ("pool-host", b"sip:a;b=c@contoso.com;x=1", b"sip:a;b=c@pc.contoso.com;x=1"),
        ("keep", b"sip:chat@contoso.com;x=1", b"sip:chat@contoso.com;x=1"),
        (
            "sip:other@pc.contoso.com",
            b"sip:chat@contoso.com",
            b"sip:other@pc.contoso.com",
        ),
    ],
)
def test_the_policy_of_the_endpoint_decides(policy, dialled, leaves):
    assert request_uri_for(policy, dialled, "pc.contoso.com") == leaves
