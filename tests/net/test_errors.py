"""What keeps an address from being had, in a sentence, and what may pass."""

import errno

import pytest

from proxy.net.errors import bind_error, why_lost


@pytest.mark.parametrize(
    ("number", "says", "is_passing"),
    [
        (errno.EADDRINUSE, "in use by another process", True),
        (errno.EADDRNOTAVAIL, "not an address of this machine", True),
        (errno.EACCES, "CAP_NET_BIND_SERVICE", False),
        (errno.EAFNOSUPPORT, "no such address family", False),
        (errno.EIO, "cannot be bound: Input/output error", False),
    ],
)
def test_an_address_that_cannot_be_had_says_what_to_do(number, says, is_passing):
    error = bind_error("udp", "::1", 5060, OSError(number, ""))
    assert str(error).startswith("udp [::1]:5060 ")
    assert says in str(error)
    assert error.is_passing is is_passing


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (None, "closed"),
        (TimeoutError(), "timeout"),
        (ConnectionResetError(), "reset"),
        (BrokenPipeError(), "reset"),
        (OSError(), "error"),
    ],
)
def test_a_lost_connection_has_a_word(error, word):
    assert why_lost(error) == word
