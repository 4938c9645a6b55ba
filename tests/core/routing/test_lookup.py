"""The question to DNS that a URI stands for."""

import pytest

from proxy.core.routing.lookup import lookup_of
from proxy.pools.front_end import Lookup
from proxy.sip.uri import parse_uri


@pytest.mark.parametrize(
    ("uri", "lookup"),
    [
        (b"sip:a@Pool.test", Lookup("pool.test")),
        (b"sip:pool.test:5070;transport=TCP", Lookup("pool.test", 5070, "tcp")),
        (b"sip:pool.test;transport=sctp", Lookup("pool.test")),
        (b"sips:pool.test", Lookup("pool.test", sips=True)),
        (b"sip:pool.test;maddr=10.0.1.1", Lookup("10.0.1.1")),
    ],
)
def test_a_uri_asks_for_its_host_port_and_transport(uri: bytes, lookup: Lookup) -> None:
    assert lookup_of(parse_uri(uri)) == lookup


def test_the_question_for_one_uri_is_made_once() -> None:
    assert lookup_of(parse_uri(b"sip:b@h")) is lookup_of(parse_uri(b"sip:b@h"))
