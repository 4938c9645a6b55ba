"""Which of several responses goes back (RFC 3261 section 16.7 items 6 and 7)."""

import pytest

from proxy.core.forwarding.best_response import (
    is_better,
    replacement,
    with_challenges,
)
from tests.support.messages import read, request, response

INVITE = request()


def answer(status, *extra):
    return read(response(INVITE, status, *extra))


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (603, 404),
        (600, 302),
        (302, 404),
        (404, 503),
        (486, 500),
        (407, 404),
        (401, 486),
        (415, 404),
        (420, 404),
        (484, 404),
    ],
)
def test_one_of_two_is_better_whichever_came_first(better, worse):
    assert is_better(answer(better), answer(worse))
    assert not is_better(answer(worse), answer(better))


@pytest.mark.parametrize(("first", "second"), [(404, 486), (401, 407), (603, 600)])
def test_of_equals_the_first_stays(first, second):
    assert not is_better(answer(second), answer(first))


def test_a_503_is_not_passed_on_and_keeps_what_explains_it():
    found = replacement(
        answer(503, "Retry-After: 30", 'Warning: 399 fe1 "busy"', "Server: fe1"),
        "waypost.test",
    )
    assert found is not None
    lines = b"\n".join(found.extra)
    assert found.status == 500
    assert b"Retry-After: 30" in lines and b'399 fe1 "busy"' in lines
    assert b"Server" not in lines
    assert b"ms-diagnostics: 1011" in lines, "nobody said why"


def test_a_503_that_says_why_is_not_explained_twice():
    why = 'ms-diagnostics: 2;source="fe1";reason="See response code"'
    found = replacement(answer(503, why), "waypost.test")
    assert found is not None
    assert [x for x in found.extra if x.startswith(b"ms-diag")] == [why.encode()]


@pytest.mark.parametrize("status", [500, 504, 603])
def test_other_failures_are_passed_on(status):
    assert replacement(answer(status), "waypost.test") is None


def test_a_signed_503_is_passed_on():
    signed = answer(503, 'Authentication-Info: NTLM rspauth="1"')
    assert replacement(signed, "waypost.test") is None


FIRST = 'WWW-Authenticate: Digest realm="a", nonce="1"'
SECOND = 'Proxy-Authenticate: Digest realm="b", nonce="2"'


def test_a_challenge_brings_all_others_along_each_once():
    best, other = answer(401, FIRST), answer(407, SECOND)
    found = with_challenges(best, [best, other, answer(407, SECOND)])
    lines = found.split(b"\r\n")
    assert lines.count(FIRST.encode()) == lines.count(SECOND.encode()) == 1
    assert lines.index(FIRST.encode()) < lines.index(SECOND.encode())


def test_what_asks_for_nothing_more_goes_back_as_it_came():
    best = answer(401, FIRST)
    assert with_challenges(best, [best]) == best.forwarded()
    assert with_challenges(best, [best, answer(401, FIRST)]) == best.forwarded()
    busy = answer(486)
    assert with_challenges(busy, [best, best]) == busy.forwarded()


def test_nothing_is_added_to_what_is_signed():
    signed = answer(401, FIRST, 'Proxy-Authentication-Info: NTLM rspauth="1"')
    assert with_challenges(signed, [signed, answer(407, SECOND)]) == signed.forwarded()
