"""Responses of our own making."""

from proxy.core.replies import reply
from tests.support.messages import read, request


def test_a_reason_that_quotes_a_peer_breaks_no_line():
    """The user part of a URI may hold escaped line breaks."""
    data = reply(
        read(request()), 403, "a\r\nX-Evil: 1\r\n\r\n@contoso.test is not yours"
    )
    assert data.startswith(b"SIP/2.0 403 aX-Evil: 1@contoso.test is not yours\r\nVia: ")
