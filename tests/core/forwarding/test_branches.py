"""Our own branches: unique, recognised, and a mark that tells a loop from a spiral."""

import pytest

from proxy.core.forwarding.branches import OWN_MARK, Branches
from proxy.sip.flow import Listener
from proxy.sip.message import Request
from tests.support.messages import read, request

UDP = Listener("udp", "10.0.0.5", 5060)
TLS = Listener("tls", "10.0.0.5", 5061, advertised_host="proxy.test")


def branches(instance: int = 7, **more) -> Branches:
    return Branches(instance, [UDP, TLS], **more)


def asked(uri: str = "sip:x@contoso.test", *vias: str, **more) -> Request:
    first = "SIP/2.0/UDP 10.1.0.9:40000;branch=z9hG4bK-1"
    message = read(request(f"INVITE {uri}", via=[*vias, first], **more))
    assert isinstance(message, Request)
    return message


def test_no_two_branches_are_the_same_over_many_rounds_of_the_counter() -> None:
    maker, message = branches(), asked()
    made = [maker.make(message) for _ in range(1_000)]
    assert len(set(made)) == 1_000
    assert all(x.startswith(OWN_MARK + b"00000007.") for x in made)
    assert branches(8).make(message) not in made


def test_a_worker_that_starts_again_goes_on_behind_its_last_serial() -> None:
    first = {branches().make(asked()) for _ in range(3)}
    again = branches(serial=1 << 28).make(asked())
    assert again.split(b".")[1] == b"10000001" and again not in first


@pytest.mark.parametrize(
    ("via", "own"),
    [
        (b"Via: SIP/2.0/UDP 10.0.0.5:5060", True),
        (b"SIP/2.0/UDP 10.0.0.5", True),  # without the default port
        (b"SIP/2.0/TLS proxy.test", True),
        (b"SIP/2.0/TLS PROXY.test:5061", True),
        (b"SIP/2.0/UDP 10.0.0.5:5070", False),
        (b"SIP/2.0/UDP 10.0.0.6:5060", False),
        (b"SIP/2.0/TCP 10.0.0.9:6001", True),  # a sibling's
    ],
)
def test_our_via_is_ours_in_every_spelling(via: bytes, own: bool) -> None:
    assert branches(more=[b"10.0.0.9:6001"]).is_own_via(via) is own


def test_a_request_that_comes_back_unchanged_loops_and_a_changed_one_spirals() -> None:
    maker = branches()
    branch = maker.make(asked()).decode()
    ours = f"SIP/2.0/UDP 10.0.0.5:5060;branch={branch}"
    assert not maker.is_looping(asked())
    assert maker.is_looping(asked("sip:x@contoso.test", ours))
    assert not maker.is_looping(asked("sip:y@contoso.test", ours))
    foreign = f"SIP/2.0/UDP 10.9.9.9:5060;branch={branch}"
    assert not maker.is_looping(asked("sip:x@contoso.test", foreign))


def test_a_loop_is_seen_behind_other_vias_of_one_line() -> None:
    maker = branches()
    branch = maker.make(asked()).decode()
    line = (
        "SIP/2.0/UDP 10.9.9.9;branch=z9hG4bK-x, "
        f"SIP/2.0/UDP 10.0.0.5:5060;branch={branch};received=10.0.0.5"
    )
    assert maker.is_looping(asked("sip:x@contoso.test", line))
