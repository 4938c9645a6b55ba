"""Sources that dial many addresses which nobody serves: slowed down and reported."""

from ipaddress import ip_network

import pytest

from proxy.core import commands
from proxy.core.answers.later import HOLD
from proxy.core.answers.later import MOST as MOST_HELD
from proxy.core.strangers.scans import MANY, MANY_OF_A_SITE, MOST, WINDOW, Scans
from tests.support.messages import ALIAS, request
from tests.support.playbook import HOSTS, Playbook


def dial(play: Playbook, user: str, peer: str = "stranger", method: str = "OPTIONS"):
    play.send(
        peer,
        request(
            f"{method} sip:{user}@contoso.test",
            branch=f"z9hG4bK-{user}-{method}",
            call_id=f"{user}-{method}",
        ),
    )


def scan(play: Playbook, count: int = MANY - 1, peer: str = "stranger") -> None:
    """So many different addresses of nobody, each answered at once."""
    for n in range(count):
        dial(play, f"{peer}{n}", peer)
        play.sees(f"{peer} < 404")


# -- who is one ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hosts", "is_one"),
    [
        (["192.0.2.1"], True),
        ([f"192.0.2.{n}" for n in range(MANY)], True),
        ([f"2001:db8::{n:x}" for n in range(MANY)], True),
        ([f"192.0.{n}.1" for n in range(MANY)], False),
    ],
)
def test_a_network_is_one_source(hosts, is_one):
    scans = Scans()
    found = [
        bool(scans.source(hosts[n % len(hosts)], f"u{n}@contoso.test", 100.0))
        for n in range(MANY)
    ]
    assert found == [False] * (MANY - 1) + [is_one]


def test_a_site_of_ipv6_has_many_networks_and_not_so_many_names_for_it():
    scans = Scans()
    found = [
        scans.source(f"2001:db8:7:{n:x}::1", f"u{n}@contoso.test", 100.0)
        for n in range(2 * MANY_OF_A_SITE)
    ]
    assert found[: MANY_OF_A_SITE - 1] == [""] * (MANY_OF_A_SITE - 1)
    assert set(found[MANY_OF_A_SITE - 1 :]) == {"2001:db8:7::/48"}
    assert scans.source("2001:db8:8:1::1", "other@contoso.test", 100.0) == ""


def test_one_address_dialled_for_ever_is_a_mistake_and_no_scan():
    scans = Scans()
    assert not any(scans.source("192.0.2.1", "x@contoso.test", 1.0) for _ in range(99))


def test_a_few_mistakes_a_minute_are_no_scan():
    scans = Scans()
    assert not any(
        scans.source("192.0.2.1", f"u{n}", n * WINDOW / (MANY - 2))
        for n in range(20 * MANY)
    )


def test_who_goes_on_scanning_has_no_free_names_each_minute():
    scans = Scans()
    slow = sum(
        not scans.source("192.0.2.1", f"u{n}", 100.0 + n / 10) for n in range(6_000)
    )
    assert slow == MANY - 1


def test_who_stops_is_forgiven():
    scans = Scans()
    for n in range(MANY):
        scans.source("192.0.2.1", f"u{n}", 100.0)
    assert scans.source("192.0.2.1", "again", 100.0 + WINDOW + 1)
    assert not scans.source("192.0.2.1", "once more", 100.0 + 2 * WINDOW + 2)


def test_the_table_is_bounded():
    scans = Scans()
    for n in range(MOST + 100):
        scans.source(f"10.{n >> 8}.{n & 255}.1", "x", 100.0)
    assert len(scans) == MOST


# -- what it gets --------------------------------------------------------------------


def test_the_next_answers_come_late(play):
    scan(play)
    dial(play, "more")
    play.sees()
    play.advance(HOLD)
    play.sees("stranger < 404")


def test_an_invite_hears_100_meanwhile_and_a_cancel_is_answered(play):
    scan(play)
    dial(play, "more", method="INVITE")
    play.sees("stranger < 100")
    cancel = request(
        "CANCEL sip:more@contoso.test",
        branch="z9hG4bK-more-INVITE",
        call_id="more-INVITE",
    )
    play.send("stranger", cancel)
    play.sees("stranger < 200")
    play.advance(HOLD)
    play.sees("stranger < 404")


def test_addresses_that_are_served_are_not_touched(play):
    scan(play)
    dial(play, "more")
    play.send("stranger", request(f"INVITE {ALIAS}", branch="z9hG4bK-i", call_id="i"))
    play.sees("stranger < 100", "fe1 < INVITE")
    play.advance_quietly(HOLD)


def test_others_are_answered_at_once(play):
    scan(play)
    dial(play, "nobody", "client")
    play.sees("client < 404")


def test_a_server_that_sends_us_all_its_unknown_users_is_none(playbook):
    play = playbook(trusted_networks=(ip_network("192.0.2.0/24"),))
    scan(play, 5 * MANY)


def test_a_client_may_subscribe_to_a_long_list_of_contacts(play):
    for n in range(3 * MANY):
        dial(play, f"friend{n}", "client/tcp", "SUBSCRIBE")
        play.sees("client/tcp < 404")


def test_no_more_than_so_many_answers_are_held(play):
    play.core.refusals.later.waiting = MOST_HELD
    scan(play, 2 * MANY)
    play.core.refusals.later.waiting = 0


def test_it_is_reported_once(play):
    told = []
    carry_out = play._carry_out

    def watch(out):
        told.extend(x for x in out if isinstance(x, commands.NoteSuspect))
        carry_out(out)

    play._carry_out = watch
    scan(play)
    for n in range(20):
        dial(play, f"more{n}")
    play.advance_quietly(HOLD)
    network = HOSTS["stranger"].rpartition(".")[0] + ".0/24"
    assert [(x.what, x.source, x.example) for x in told] == [
        ("scanning", network, "more0@contoso.test")
    ]
    assert play.core.refusals.suspects.counts["scanning"] == 1
    assert play.core.refusals.later.held == 20
