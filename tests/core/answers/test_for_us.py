"""What is addressed to the proxy is answered, not forwarded: a user agent server's
rules hold for it, and a proxy's do not (RFC 3261 sections 8.2, 11 and 16.3)."""

import pytest

from tests.support.messages import ALIAS, line_of, request
from tests.support.playbook import DOMAIN, PROXY
from tests.support.registry import Registry

US = f"sip:{PROXY}"
PROXY_ONLY = [
    {"max_forwards": 0},
    {"extra": ("Proxy-Require: foo",)},
    {"extra": ("Max-Breadth: 0",)},
]


def ask(start, extra=(), **more):
    return request(start, *extra, **more)


@pytest.mark.parametrize("limit", PROXY_ONLY)
@pytest.mark.parametrize("uri", [US, f"sip:{DOMAIN}"])
def test_options_for_us_is_answered_whatever_a_proxy_would_refuse(play, limit, uri):
    play.send("client", ask(f"OPTIONS {uri}", **limit))
    play.sees("client < 200")


@pytest.mark.parametrize("limit", PROXY_ONLY)
def test_a_register_for_us_is_taken_whatever_a_proxy_would_refuse(limit):
    registry = Registry()
    headers = limit.get("extra", ())
    hops = limit.get("max_forwards", 70)
    contact = registry.contact_of("client")
    answer = registry.register(contact, headers=headers, max_forwards=hops)
    assert answer.status == 200


@pytest.mark.parametrize(
    ("limit", "status"), list(zip(PROXY_ONLY, (483, 420, 440), strict=True))
)
@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "REGISTER", "OPTIONS"])
def test_what_would_be_forwarded_is_refused(play, limit, status, method):
    play.send("client", ask(f"{method} {ALIAS}", **limit))
    play.sees(f"client < {status}")


def test_options_for_us_that_goes_by_another_is_refused(play):
    """It would be forwarded along its Route."""
    route = f"Route: <sip:{PROXY};lr>, <sip:pcpool.contoso.test;lr>"
    play.send("client", request(f"OPTIONS {US}", route, "Max-Breadth: 0"))
    play.sees("client < 440")


@pytest.mark.parametrize("line", ["Require: foo, ms-benotify", "Require:foo\r\n\t"])
def test_options_that_requires_what_we_do_not_know_is_420(play, line):
    """Section 8.2.2.3."""
    play.send("client", request(f"OPTIONS {US}", line))
    play.sees("client < 420")
    assert line_of(play.last("client"), "Unsupported") == b"Unsupported: foo"


def test_options_may_require_what_we_name_as_supported(play):
    play.send("client", request(f"OPTIONS {US}", "Require: ms-benotify"))
    play.sees("client < 200")


def test_a_method_that_we_do_not_serve_is_refused_before_its_require(play):
    """Section 8.2: the method is looked at first."""
    play.send("client", request(f"MESSAGE {US}", "Require: foo", max_forwards=0))
    play.sees("client < 405")


def test_require_is_not_ours_to_judge_when_we_forward(play):
    play.send("client", request(f"OPTIONS {ALIAS}", "Require: foo"))
    play.sees("fe1 < OPTIONS")
