"""What is said of a name server that gave nothing.

wire/test_resolver.py has real ones.
"""

import dns.exception
import dns.message
import pytest

from proxy.pools.dns_client import _said, is_dns_name


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (dns.exception.Timeout(), "no answer"),
        (TimeoutError(), "no answer"),
        (ConnectionRefusedError(111, "refused"), "refused: nobody listens there"),
        (
            OSError(101, "Network is unreachable"),
            "cannot be asked: Network is unreachable",
        ),
        (OSError("no socket"), "cannot be asked: no socket"),
        (
            dns.message.ChainTooLong(),
            "answered with aliases that lead round in a circle",
        ),
        ("SERVFAIL", "answered SERVFAIL"),
    ],
)
def test_a_server_that_gave_nothing_is_told_in_words(error, said):
    assert _said(error) == said


@pytest.mark.parametrize("name", ["pcpool.contoso.test", "localhost", "a." * 100 + "b"])
def test_a_name_can_be_asked_for(name):
    assert is_dns_name(name)


@pytest.mark.parametrize("name", ["", ".", "a..b", "x" * 64 + ".test"])
def test_what_is_no_name_is_not_asked_for(name):
    assert not is_dns_name(name)
