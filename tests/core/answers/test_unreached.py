"""What a request gets when nobody could be reached, by where it was going."""

import pytest

from proxy.core.answers.unreached import unreached
from proxy.core.routing.target import Target
from proxy.pools.front_end import Lookup


def answer(rule: str, is_invite: bool = True, detail: str = "", **more: object):
    target = Target(rule, b"sip:x@contoso.test", **more)  # type: ignore[arg-type]
    said = unreached(target, is_invite, "wp.test", "unreachable", detail, "fe1 10.1")
    return said.status, said.extra[0].decode()


@pytest.mark.parametrize("rule", ["client", "contact", "binding"])
def test_a_client_that_is_gone_is_480_and_one_that_is_silent_408_to_an_invite(rule):
    assert answer(rule)[0] == 480
    assert answer(rule, detail="timeout")[0] == 408
    assert answer(rule, is_invite=False, detail="timeout")[0] == 480
    assert ": 1006;" in answer(rule)[1]


def test_inside_a_dialog_it_is_481_and_elsewhere_504() -> None:
    """A legacy client that gets 481 starts its dialog over at once."""
    assert answer("dialog")[0] == 481
    for rule in ("endpoint", "pool", "learned", "default", "probe"):
        assert answer(rule)[0] == 504


@pytest.mark.parametrize("rule", ["endpoint", "dialog", "client", "binding", "default"])
def test_what_no_datagram_carries_is_its_senders_matter(rule) -> None:
    assert answer(rule, detail="too-large")[0] == 513


def test_the_line_names_pool_front_end_and_cause() -> None:
    line = answer("endpoint", detail="refused", pool="pc.contoso.test")[1]
    assert ';pool="pc.contoso.test";frontend="fe1 10.1";cause="refused"' in line
    assert ": 1007;" in line


def test_the_default_route_is_named_by_its_host() -> None:
    line = answer("default", lookup=Lookup("fe.contoso.test"))[1]
    assert ';pool="fe.contoso.test"' in line
