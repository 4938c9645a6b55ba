"""Every request from its transaction to its targets, in the order of RFC 3261."""

import pytest

from proxy.core import events
from tests.support.messages import ALIAS, lines_of, request


def test_a_repetition_is_absorbed_before_anything_is_decided(play) -> None:
    invite = play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    play.send("client", invite)
    play.sees("client < 100")
    assert play.core.requests.by_method[b"INVITE"] == 2


def test_a_repetition_of_what_is_answered_gets_the_answer_to_where_it_came_from(play):
    bye = request("BYE sip:nobody@contoso.test")
    play.send("client", bye)
    play.sees("client < 404")
    first = play.last("client")
    play.send("client", bye)
    play.sees("client < 404")
    assert play.last("client") == first


def test_methods_that_nobody_knows_share_one_counter(play) -> None:
    for n in range(20):
        play.send(
            "client", request(f"X{n} sip:nobody@contoso.test", branch=f"z9hG4bK{n}")
        )
        play.sees("client < 404")
    counts = play.core.requests.by_method
    assert counts[b"other"] == 20 and len(counts) < 20


@pytest.mark.parametrize("method", ["ACK", "BENOTIFY"])
@pytest.mark.parametrize("uri", ["sip:nobody@contoso.test", "sip:a@elsewhere.test"])
def test_what_gets_no_answer_gets_none_and_costs_no_transaction(play, method, uri):
    play.send("client", request(f"{method} {uri}"))
    play.sees()
    assert len(play.core.transactions) == 0


def test_a_drain_refuses_what_begins_and_nothing_inside_a_dialog(play) -> None:
    play._handle(events.Draining())
    play.send("client", request())
    play.sees("client < 503")
    assert lines_of(play.last("client"), "Retry-After")
    inside = request(f"INFO {ALIAS}", to=f"<{ALIAS}>;tag=x", branch="z9hG4bK-2")
    play.send("client", inside)
    play.sees("fe1 < INFO")


def test_an_invite_hears_100_at_once_and_others_only_when_it_takes_long(play) -> None:
    play.send("client", request(f"MESSAGE {ALIAS}"))
    play.sees("fe1 < MESSAGE")
    play.answer("fe1", 200)
    play.sees("client < 200")


@pytest.mark.parametrize(
    ("method", "hops", "status"), [("OPTIONS", 0, 200), ("INVITE", 0, 405)]
)
def test_what_only_a_proxy_refuses_does_not_count_for_ourselves(
    play, method, hops, status
) -> None:
    play.send("client", request(f"{method} sip:10.0.0.5:5060", max_forwards=hops))
    play.sees(*(f"client < {status}",))


def test_a_request_that_no_key_can_be_made_of_is_answered_once(play) -> None:
    play.send("client", request(via="SIP/2.0/UDP"))
    play.sees("client < 400")
    assert len(play.core.transactions) == 0


def test_the_rule_that_refused_stands_in_the_access_line(playbook) -> None:
    play = playbook(log_access=True)
    play.send("client", request("INVITE sip:a@elsewhere.test"))
    play.sees("client < 403")
    (line,) = play.access
    assert line.status == 403 and line.rule
