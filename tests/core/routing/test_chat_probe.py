"""A chat probe reaches the one front end that it names, and nobody else can be one."""

import pytest

from proxy.endpoints.model import Canary, LearnedUri
from proxy.endpoints.usage_book import UsageBook
from proxy.location.binding import Binding
from proxy.telemetry.tally import AccessTally
from tests.support.messages import line_of, lines_of, request
from tests.support.playbook import DOMAIN, HOSTS, OTHER_POOL, POOL, Playbook, endpoint

CHANNEL = f"sip:gc-1@{DOMAIN}"


def route(
    play: Playbook, front_end: str = "fe2", pool: str = POOL, seconds: float = 30.0
) -> str:
    until = play.now + seconds
    token = play.core.tokens.make_probe(pool, "udp", HOSTS[front_end], 5060, until)
    return f"Route: <sip:{token.decode()}@10.0.0.5:5060;lr>"


def invite(play: Playbook, uri: str = f"sip:ocschat@{DOMAIN}", **named) -> bytes:
    return request(f"INVITE {uri}", route(play, **named), via=VIA)


VIA = "SIP/2.0/UDP 10.0.0.5:40002;branch=z9hG4bK-probe"


def test_it_goes_to_the_front_end_that_the_token_names(play):
    play.send("ourselves", invite(play))
    play.sees("ourselves < 100", f"fe2 < INVITE sip:ocschat@{POOL}")
    play.answer("fe2", 200, f"Contact: <sip:fe2@{HOSTS['fe2']}>")
    play.sees("ourselves < 200")


def test_no_pool_sees_what_makes_it_a_probe(play):
    play.send("ourselves", invite(play))
    play.sees("ourselves < 100", "fe2 < INVITE")
    data = play.last("fe2")
    assert not lines_of(data, "Route")
    token = route(play).partition("sip:")[2].partition("@")[0]
    assert token[:20].encode() not in data


def test_a_front_end_that_fails_fails_the_probe(play):
    """A user's call would go on to the next one."""
    play.send("ourselves", invite(play))
    play.sees("ourselves < 100", "fe2 < INVITE")
    play.answer("fe2", 503)
    play.sees("fe2 < ACK", "ourselves < 500")


def test_an_ejected_front_end_is_probed_all_the_same(play):
    key = ("udp", HOSTS["fe2"], 5060, "")
    play.core.health.record_failure(key, "silent", play.now, is_silent=True)
    assert play.core.health.is_ejected(key, play.now)
    play.send("ourselves", invite(play))
    play.sees("ourselves < 100", "fe2 < INVITE")
    play.answer("fe2", 200)
    play.sees("ourselves < 200")
    assert not play.core.health.is_ejected(key, play.now)


@pytest.mark.parametrize("peer", ["client", "stranger", "fe1"])
def test_from_another_machine_the_token_is_worth_nothing(play, peer):
    via = f"SIP/2.0/UDP {HOSTS[peer]}:5060;branch=z9hG4bK-stolen"
    play.send(peer, request(f"INVITE sip:ocschat@{DOMAIN}", route(play), via=via))
    play.sees(f"{peer} < 403")


def test_a_token_of_yesterday_is_worth_nothing(play):
    old = invite(play, seconds=30.0)
    play.advance(32.0)
    play.send("ourselves", old)
    play.sees("ourselves < 403")


def test_a_pool_that_no_endpoint_has_is_not_probed(play):
    play.send("ourselves", invite(play, pool=OTHER_POOL))
    play.sees("ourselves < 403")


def test_a_token_that_another_key_signed_opens_nothing(play, playbook):
    other = playbook(keys=(b"another",))
    play.send("ourselves", invite(other))
    play.sees("ourselves < 403")


def test_a_service_uri_that_nobody_has_dialled_yet_goes_the_same_way(play):
    play.send("ourselves", invite(play, CHANNEL))
    play.sees("ourselves < 100", f"fe2 < INVITE {CHANNEL}")
    play.answer("fe2", 200)
    play.sees("ourselves < 200")


def test_and_so_does_one_that_users_dial(playbook):
    learned = LearnedUri(CHANNEL, f"gc-1@{DOMAIN}", POOL, f"ocschat@{DOMAIN}", 0, 0)
    play = playbook(learned=(learned,))
    play.send("ourselves", invite(play, CHANNEL))
    play.sees("ourselves < 100", f"fe2 < INVITE {CHANNEL}")
    play.answer("fe2", 200)
    play.sees("ourselves < 200")


def test_the_store_is_not_asked_for_it(playbook):
    play = playbook(asks_store=True)
    play.send("ourselves", invite(play, CHANNEL))
    play.sees("ourselves < 100", "fe2 < INVITE")
    play.answer("fe2", 200)
    play.sees("ourselves < 200")


def test_somebody_who_has_registered_as_the_service_uri_would_get_the_users(play):
    """The probe is as red as a user's chat would be."""
    key = f"gc-1@{DOMAIN}"
    uri = b"sip:x@10.1.0.10:5060"
    bound = Binding(key, uri, uri, b"<%b>" % uri, 1.0, 9e9, 1.0, b"c", 1)
    play.core.location.load([bound])
    play.send("ourselves", invite(play, CHANNEL))
    play.sees("ourselves < 404")


def test_a_retired_endpoint_is_gone_for_the_probe_too(playbook):
    play = playbook(endpoints=(endpoint(state="retired"),))
    play.send("ourselves", invite(play))
    play.sees("ourselves < 410")


def test_the_pool_of_a_canary_gets_its_own_request_uri(playbook):
    row = endpoint(canary=Canary(OTHER_POOL, percent=10))
    play = playbook(endpoints=(row,))
    play.send("ourselves", invite(play, front_end="fe3", pool=OTHER_POOL))
    play.sees("ourselves < 100", f"fe3 < INVITE sip:ocschat@{OTHER_POOL}")
    play.answer("fe3", 200)
    play.sees("ourselves < 200")


def test_nothing_is_learned_in_its_dialogs_and_nobody_counts_it(play):
    play.send("ourselves", invite(play))
    play.sees("ourselves < 100", "fe2 < INVITE")
    route_back = line_of(play.last("fe2"), "Record-Route").partition(b": ")[2]
    play.answer("fe2", 200, f"Contact: <sip:fe2@{HOSTS['fe2']}>")
    play.sees("ourselves < 200")
    body = b'<rpl id="rpl:requri"><data><uib uri="%b"/></data></rpl>' % CHANNEL.encode()
    info = request(
        "INFO sip:alice@10.0.0.5:40002",
        f"Route: {route_back.decode()}",
        via="SIP/2.0/UDP 10.0.1.2:5060;branch=z9hG4bK-info",
        from_=f"<sip:ocschat@{DOMAIN}>;tag=pool-1",
        to="<sip:alice@contoso.test>;tag=alice-1",
        body=body,
    )
    play.send("fe2", info)
    play.sees("ourselves < INFO")
    (record,) = play.access
    assert (record.rule, record.endpoint) == ("probe", "")
    book, tally = UsageBook(), AccessTally()
    book.count(record, 0.0)
    tally.count(record)
    assert not book.take() and not tally.attempts


def test_a_token_inside_a_dialog_changes_nothing(play):
    """What is said in a dialog goes where the dialog leads."""
    play.send("ourselves", invite(play))
    play.sees("ourselves < 100", "fe2 < INVITE")
    play.answer("fe2", 200, f"Contact: <sip:fe2@{HOSTS['fe2']}>")
    play.sees("ourselves < 200")
    back = line_of(play.last("ourselves"), "Record-Route").partition(b": ")[2].decode()
    bye = request(
        f"BYE sip:fe2@{HOSTS['fe2']}",
        route(play, front_end="fe1"),
        f"Route: {back}",
        via=VIA,
        to=f"<sip:ocschat@{DOMAIN}>;tag=pool-1",
        cseq=2,
    )
    play.send("ourselves", bye)
    play.sees("fe2 < BYE")
