"""Every failure that we answer ourselves says what it is, and who says so."""

import re

import pytest

from proxy.core import events
from tests.support.messages import line_of, request
from tests.support.playbook import POOL, Playbook, endpoint
from tests.support.registry import Registry

REFUSED = {
    "malformed": (request(cseq="1 BYE"), 400, 5004),
    "foreign domain": (request("INVITE sip:a@elsewhere.test"), 403, 1005),
    "foreign route": (
        request(f"{'INVITE'} sip:a@contoso.test", "Route: <sip:x.test;lr>"),
        403,
        1005,
    ),
    "no such user": (request("INVITE sip:nobody@contoso.test"), 404, 1003),
    "method for us": (request("PUBLISH sip:contoso.test"), 405, 1022),
    "compression": (request("NEGOTIATE sip:10.0.0.5:5060"), 405, 1022),
    "retired": (request("INVITE sip:old@contoso.test"), 410, 1003),
    "long": (request(f"INVITE sip:{'a' * 1100}@contoso.test"), 414, 5004),
    "scheme": (request("INVITE tel:+123", to="<tel:+123>"), 416, 5004),
    "extension": (
        request("INVITE sip:ocschat@contoso.test", "Proxy-Require: x"),
        420,
        1022,
    ),
    "breadth": (
        request("INVITE sip:ocschat@contoso.test", "Max-Breadth: 0"),
        440,
        1022,
    ),
    "cancel": (request("CANCEL sip:ocschat@contoso.test"), 481, 1004),
    "hops": (request("INVITE sip:ocschat@contoso.test", max_forwards=0), 483, 1022),
    "version": (request("INVITE sip:ocschat@contoso.test SIP/3.0"), 505, 5004),
    "size": (request("INVITE sip:ocschat@contoso.test", *["X: y"] * 200), 513, 5004),
}


def told(data: bytes) -> tuple[int, int, str]:
    """Status, number and source of a response."""
    status = int(data.split(b" ")[1])
    line = line_of(data, "ms-diagnostics").decode()
    match = re.fullmatch(
        r'ms-diagnostics: (\d+);source="([^"]+)";reason="[^"]+".*', line
    )
    assert match, line
    return status, int(match[1]), match[2]


@pytest.mark.parametrize("case", REFUSED)
def test_what_we_refuse_says_why(case: str) -> None:
    data, status, number = REFUSED[case]
    retired = endpoint("old", state="retired", retired_text="Ask the help desk")
    play = Playbook(endpoints=(endpoint(), retired))
    play.send("client", data)
    assert told(play.last("client")) == (status, number, "waypost.test")
    play.advance_quietly(0)


def test_a_loop_says_so() -> None:
    play = Playbook()
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    looped = play.last("fe1")
    start = looped.partition(b"\r\n")[0]
    play.send(
        "client", looped.replace(start, b"INVITE sip:ocschat@contoso.test SIP/2.0")
    )
    play.sees("client < 482")
    assert told(play.last("client")) == (482, 1022, "waypost.test")


def test_overload_and_drain_say_that_the_service_is_unavailable() -> None:
    play = Playbook(max_transactions=-1)
    play.send("client", request())
    play.sees("client < 503")
    assert told(play.last("client")) == (503, 1, "waypost.test")
    play = Playbook()
    play.core.handle(events.Draining(), play.now)
    play.send("client", request())
    play.sees("client < 503")
    assert told(play.last("client")) == (503, 1, "waypost.test")


def test_a_cancelled_invite_says_so() -> None:
    play = Playbook()
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    play.answer("fe1", 180)
    play.sees("client < 180")
    play.send("client", request("CANCEL sip:ocschat@contoso.test"))
    play.sees("client < 200", "fe1 < CANCEL")
    play.advance_quietly(40)
    assert told(play.last("client")) == (487, 5002, "waypost.test")


def test_one_that_rings_for_ever_times_out() -> None:
    play = Playbook(front_ends=("fe1",))
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    play.answer("fe1", 180)
    play.sees("client < 180")
    play.advance_quietly(200)
    finals = [d for n, d in play.sent if n == "client" and d[8:9] == b"4"]
    assert told(finals[0]) == (408, 5001, "waypost.test")


def test_a_503_without_diagnostics_gets_ours_when_it_becomes_500() -> None:
    play = Playbook(front_ends=("fe1",))
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    play.answer("fe1", 503)
    play.sees("fe1 < ACK", "client < 500")
    assert told(play.last("client")) == (500, 1011, "waypost.test")


@pytest.mark.parametrize(("error", "number"), [("srv", 1008), ("address", 1014)])
def test_a_failure_of_dns_names_pool_and_cause(error: str, number: int) -> None:
    play = Playbook()
    play.knows(POOL).error = error  # type: ignore[assignment]
    play.send("client", request())
    play.sees("client < 100", "client < 504")
    assert told(play.last("client")) == (504, number, "waypost.test")
    line = line_of(play.last("client"), "ms-diagnostics").decode()
    assert f';pool="{POOL}"' in line and ';cause="no such name"' in line


@pytest.mark.parametrize(
    ("reason", "number"), [("tls", 1010), ("refused", 1007), ("connect-timeout", 1007)]
)
def test_a_front_end_that_cannot_be_had_is_named(reason: str, number: int) -> None:
    play = Playbook(front_ends=("fe1",), transport="tcp")
    play.send("client/tcp", request(transport="TCP"))
    play.sees("client/tcp < 100", "connect fe1/tcp")
    play.cannot_connect("fe1/tcp", reason)
    play.sees("client/tcp < 504")
    assert told(play.last("client/tcp")) == (504, number, "waypost.test")
    line = line_of(play.last("client/tcp"), "ms-diagnostics").decode()
    assert f';pool="{POOL}"' in line and f';cause="fe1/tcp: {reason}"' in line
    assert f';frontend="fe1.{POOL} 10.0.1.1:5060"' in line


def test_the_registrar_s_failures_say_so_and_its_question_does_not() -> None:
    registry = Registry()
    registry.register("<sip:alice@10.1.0.9>", peer="stranger")
    assert b"ms-diagnostics" not in registry.last("stranger")
    for aor, headers, expected in (
        ("sip:alice@contoso.test", ("Require: x",), (420, 1022)),
        ("sip:alice@contoso.test", ("Expires: 1",), (423, 1022)),
        ("sip:ocschat@contoso.test", (), (403, 4004)),
        ("sip:alice@elsewhere.test", (), (404, 1003)),
    ):
        registry.register("<sip:alice@10.1.0.9>", aor=aor, headers=headers)
        assert told(registry.last("client")) == (*expected, "waypost.test")
