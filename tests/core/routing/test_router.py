"""Where a request goes (RFC 3261 section 16.5): every rule alone, and their order."""

import pytest

from proxy.endpoints.model import LearnedUri, Pool
from proxy.endpoints.table import EndpointTable
from proxy.sip.flow import Listener
from tests.support.messages import ALIAS, line_of, read, request
from tests.support.playbook import DOMAIN, OTHER_POOL, POOL, endpoint

DEFAULT = b"sip:10.0.2.1:5060"


def subscribe(uri: str, *extra: str, **more) -> bytes:
    return request(f"SUBSCRIBE {uri}", "Event: presence", *extra, **more)


def learned(user: str = "gc-1", pool: str = OTHER_POOL) -> LearnedUri:
    key = f"{user}@{DOMAIN}"
    return LearnedUri(f"sip:{key}", key, pool, f"ocschat@{DOMAIN}", 0.0, 0.0)


# -- for us ------------------------------------------------------------------------


@pytest.mark.parametrize("uri", ["sip:10.0.0.5:5060", "sip:contoso.test"])
def test_options_to_the_proxy_is_answered_with_what_it_can(play, uri):
    """RFC 3261 section 11.2."""
    play.send("client", request(f"OPTIONS {uri}"))
    play.sees("client < 200")
    answer = play.last("client")
    assert b"INVITE" in line_of(answer, "Allow")
    assert line_of(answer, "Supported")


def test_another_request_to_the_proxy_itself_is_405(play):
    play.send("client", request("MESSAGE sip:10.0.0.5:5060"))
    play.sees("client < 405")
    assert line_of(play.last("client"), "Allow")


def test_the_same_address_with_another_port_is_not_us(play):
    play.send("client", request("OPTIONS sip:10.0.0.5:5070"))
    play.sees("client < 403")


# -- the endpoint table ------------------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    [
        "sip:ocschat@contoso.test",
        "sip:OCSChat@CONTOSO.test",
        "sip:ocs%63hat@contoso.test",
        "sip:ocschat@contoso.test:5060;transport=tcp",
        "sip:ocschat@contoso.test;user=phone",
    ],
)
def test_an_alias_goes_to_its_pool_however_it_is_written(play, uri):
    play.send("client", subscribe(uri))
    play.sees("fe1 < SUBSCRIBE")


def test_to_is_never_touched(play):
    play.send("client", subscribe(ALIAS, to=f"Group <{ALIAS}>"))
    play.sees("fe1 < SUBSCRIBE")
    assert line_of(play.last("fe1"), "To") == f"To: Group <{ALIAS}>".encode()


@pytest.mark.parametrize(
    ("policy", "uri", "leaves_as"),
    [
        ("pool-host", "sip:OCSChat@contoso.test", f"sip:OCSChat@{POOL}"),
        (
            "pool-host",
            "sip:ocschat@contoso.test:5060;transport=tcp;x=1",
            f"sip:ocschat@{POOL};x=1",
        ),
        ("keep", "sip:OCSChat@contoso.test;x=1", "sip:OCSChat@contoso.test;x=1"),
        ("sip:gc@pool.test", "sip:ocschat@contoso.test", "sip:gc@pool.test"),
    ],
)
def test_the_request_uri_follows_the_policy_of_the_endpoint(
    playbook, policy, uri, leaves_as
):
    play = playbook(endpoints=(endpoint(request_uri=policy),))
    play.send("client", subscribe(uri))
    play.sees(f"fe1 < SUBSCRIBE {leaves_as}")


def test_a_retired_endpoint_is_410_with_its_own_words(playbook):
    row = endpoint(state="retired", retired_text="Moved to Teams")
    play = playbook(endpoints=(row,))
    play.send("client", subscribe(ALIAS))
    play.sees("client < 410 Moved to Teams")


def test_a_request_follows_the_table_that_is_there_when_it_comes(play):
    play.knows(OTHER_POOL, "fe3")
    play.send("client", subscribe(ALIAS))
    play.sees("fe1 < SUBSCRIBE")
    play.table_changes(EndpointTable((endpoint(pool=OTHER_POOL),)))
    play.send("client", subscribe(ALIAS, branch="z9hG4bK-2", call_id="2"))
    play.sees("fe3 < SUBSCRIBE")


def test_a_request_in_flight_does_not_notice_a_change(play):
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    play.table_changes(EndpointTable(()))
    play.icmp("fe1")
    play.sees(f"fe2 < INVITE sip:ocschat@{POOL}")


# -- pools -------------------------------------------------------------------------


def test_a_uri_at_a_pool_goes_there_as_it_is(play):
    play.send("client", subscribe(f"sip:channel-7@{POOL}"))
    play.sees(f"fe1 < SUBSCRIBE sip:channel-7@{POOL}")


@pytest.mark.parametrize("host", ["10.0.1.2", f"fe2.{POOL}"])
def test_a_uri_at_a_front_end_goes_to_that_front_end_first(play, host):
    play.send("client", subscribe(ALIAS, branch="z9hG4bK-0", call_id="0"))
    play.sees("fe1 < SUBSCRIBE")
    play.send("client", subscribe(f"sip:channel-7@{host}"))
    play.sees(f"fe2 < SUBSCRIBE sip:channel-7@{host}")


def test_a_fixed_transport_of_a_pool_is_asked_for(playbook):
    play = playbook(pools=(Pool(POOL, "tcp", 5070),), unresolved=True)
    play.knows(POOL, "fe1", transport="tcp", port=5070)
    play.cached.clear()
    play.send("client", subscribe(ALIAS))
    play.sees(f"resolve {POOL}")
    assert play._lookups[POOL] == (POOL, 5070, "tcp", False)


# -- learned URIs ------------------------------------------------------------------


def test_a_learned_uri_goes_to_the_pool_that_named_it(playbook):
    play = playbook(learned=(learned(),))
    play.knows(OTHER_POOL, "fe3")
    play.send("client", subscribe("sip:GC-1@contoso.test"))
    play.sees("use gc-1@contoso.test", "fe3 < SUBSCRIBE sip:GC-1@contoso.test")


def test_a_pattern_of_an_endpoint_counts_like_a_learned_uri(playbook):
    play = playbook(endpoints=(endpoint(service_uris=("sip:GC-*@contoso.test",)),))
    play.send("client", subscribe("sip:GC-7@contoso.test"))
    play.sees("use gc-7@contoso.test", "fe1 < SUBSCRIBE sip:GC-7@contoso.test")


# -- default route, and nowhere ----------------------------------------------------


def test_all_that_is_not_ours_goes_to_the_default_route(playbook):
    play = playbook(default_route=DEFAULT)
    play.send("client", subscribe("sip:bob@contoso.test"))
    play.sees("edge < SUBSCRIBE sip:bob@contoso.test")


def test_nothing_bounces_back_to_the_default_route(playbook):
    play = playbook(default_route=DEFAULT)
    via = "SIP/2.0/UDP 10.0.2.1:5060;branch=z9hG4bK-edge"
    play.send("edge", subscribe("sip:bob@contoso.test", via=via))
    play.sees("edge < 504")


def test_an_unknown_user_of_ours_is_404_with_the_reason(play):
    play.send("client", subscribe("sip:nobody@contoso.test"))
    play.sees("client < 404")
    assert b" 1003;" in line_of(play.last("client"), "ms-diagnostics")


def test_a_foreign_domain_is_403_not_an_open_relay(play):
    play.send("client", subscribe("sip:bob@example.org"))
    play.sees("client < 403")
    assert b" 1005;" in line_of(play.last("client"), "ms-diagnostics")


def test_a_next_hop_that_is_us_is_not_taken(playbook):
    play = playbook(endpoints=(endpoint(pool="loop.test"),))
    found = play.knows("loop.test", "fe1")
    front_end = found.groups["udp"][0][0]._replace(host="10.0.0.5")
    found.groups["udp"] = ((front_end,),)
    play.send("client", subscribe(ALIAS))
    play.sees("client < 504")


@pytest.mark.parametrize("default", [None, DEFAULT])
def test_an_ack_to_ourselves_goes_nowhere(playbook, default):
    """Self-routing ACKs stack Via upon Via until the datagram bursts."""
    play = playbook(default_route=default)
    play.send("client", request("ACK sip:10.0.0.5:5060"))
    play.sees()


def test_what_is_for_us_is_not_for_the_default_route(playbook):
    play = playbook(default_route=DEFAULT)
    play.send("client", request("MESSAGE sip:10.0.0.5:5060"))
    play.sees("client < 405")


def test_what_is_for_a_whole_domain_is_for_the_default_route(playbook):
    """A registrar behind us serves the domain, unless we do."""
    play = playbook(default_route=DEFAULT)
    play.send("client", request("REGISTER sip:contoso.test"))
    play.sees("edge < REGISTER sip:contoso.test")


# -- foreign Routes ----------------------------------------------------------------


def test_a_foreign_route_is_403(play):
    play.send("client", subscribe(ALIAS, "Route: <sip:192.0.2.66;lr>"))
    play.sees("client < 403")


def test_a_foreign_route_behind_our_own_is_403(play):
    routes = "Route: <sip:10.0.0.5:5060;lr>, <sip:192.0.2.66;lr>"
    play.send("client", subscribe(ALIAS, routes))
    play.sees("client < 403")


def test_a_route_to_a_pool_is_followed(play):
    play.send("client", subscribe("sip:bob@example.org", f"Route: <sip:{POOL};lr>"))
    play.sees("fe1 < SUBSCRIBE sip:bob@example.org")


def test_a_route_cannot_choose_the_port_of_a_front_end(play):
    route = f"Route: <sip:{POOL}:22;transport=tcp;lr>"
    play.send("client", subscribe("sip:bob@example.org", route))
    play.sees("fe1 < SUBSCRIBE sip:bob@example.org")


# -- the order of the rules --------------------------------------------------------


def test_an_endpoint_comes_before_a_learned_uri_of_the_same_name(playbook):
    play = playbook(learned=(learned("ocschat"),), default_route=DEFAULT)
    play.send("client", subscribe(ALIAS))
    play.sees("fe1 < SUBSCRIBE")


def test_a_pool_comes_before_the_default_route(playbook):
    play = playbook(default_route=DEFAULT)
    play.send("client", subscribe(f"sip:x@{POOL}"))
    play.sees("fe1 < SUBSCRIBE")


def test_a_foreign_route_comes_before_the_endpoint(playbook):
    play = playbook(default_route=DEFAULT)
    play.send("client", subscribe(ALIAS, "Route: <sip:10.0.2.1;lr>"))
    play.sees(f"edge < SUBSCRIBE {ALIAS}")


def test_what_is_left_of_the_route_leaves_with_the_request(play):
    routes = f"Route: <sip:10.0.0.5:5060;lr>, <sip:{POOL};lr>"
    play.send("client", subscribe("sip:x@example.org", routes))
    play.sees("fe1 < SUBSCRIBE")
    assert line_of(play.last("fe1"), "Route") == f"Route: <sip:{POOL};lr>".encode()


def test_bye_without_to_tag_to_the_alias_goes_where_the_invite_went(play):
    """Sign-off during an unanswered INVITE."""
    play.send("client", request(f"BYE {ALIAS}"))
    play.sees(f"fe1 < BYE sip:ocschat@{POOL}")


def test_benotify_passes_and_nobody_waits_for_an_answer(play):
    play.send("client", request(f"BENOTIFY {ALIAS}"))
    play.sees("fe1 < BENOTIFY")
    play.advance(60.0)
    play.sees()
    assert len(play.core.transactions) == 0


def test_a_method_nobody_has_heard_of_is_routed_like_any_other(play):
    play.send("client", request(f"NEW-THING {ALIAS}"))
    play.sees("fe1 < NEW-THING")
    play.answer("fe1", 200)
    play.sees("client < 200")


def test_a_dialog_is_kept_on_our_path_with_lower_case_lr(play):
    play.send("client", subscribe(ALIAS))
    play.sees("fe1 < SUBSCRIBE")
    route = line_of(play.last("fe1"), "Record-Route")
    assert route.startswith(b"Record-Route: <sip:")
    assert route.endswith(b"@10.0.0.5:5060;lr>")


@pytest.mark.parametrize("method", ["MESSAGE", "OPTIONS", "BYE", "INFO"])
def test_a_method_that_opens_no_dialog_gets_no_record_route(play, method):
    play.send("client", request(f"{method} {ALIAS}"))
    play.sees(f"fe1 < {method}")
    assert "record-route" not in read(play.last("fe1")).index


# -- us, however we are spelled -------------------------------------------------------

LONG = "[0:0:0:0:0:0:0:1]"


@pytest.mark.parametrize(
    "uri",
    [
        f"sip:{LONG}:5070",
        "sip:[::0001]:5070",
        "sip:[::1]:5070",
        "sip:PROXY.contoso.test.:5070",
        "sip:proxy.contoso.test",  # by SRV, which may name any port (RFC 3263)
        "sips:proxy.contoso.test",
        "sip:proxy.contoso.test;transport=tcp",
    ],
)
def test_our_address_is_ours_in_every_spelling(playbook, uri):
    """RFC 5954 section 4.2: addresses are compared by value."""
    play = playbook(
        listeners=(
            Listener("udp", "::1", 5070, index=0, advertised_host="proxy.contoso.test"),
        )
    )
    play.send("client", request(f"OPTIONS {uri}"))
    play.sees("client < 200")


@pytest.mark.parametrize("method", ["OPTIONS", "CANCEL"])
def test_our_ipv4_address_is_ours_when_it_is_written_as_ipv6(play, method):
    """RFC 4291 section 2.5.5.2: packets to it are IPv4."""
    via = "SIP/2.0/UDP [::ffff:10.1.0.9]:40000;branch=z9hG4bK-1"
    play.send("client", request(f"{method} sip:[::FFFF:10.0.0.5]", via=via))
    play.sees("client < 200" if method == "OPTIONS" else "client < 481")
    assert b"received" not in play.last("client")


@pytest.mark.parametrize(
    "uri", ["sip:[::2]:5070", "sip:[::1]", "sip:proxy.contoso.test:5071"]
)
def test_another_address_or_port_is_not_ours(playbook, uri):
    play = playbook(
        listeners=(
            Listener("udp", "::1", 5070, index=0, advertised_host="proxy.contoso.test"),
        )
    )
    play.send("client", request(f"OPTIONS {uri}"))
    play.sees("client < 403")


@pytest.mark.parametrize("name", ["proxy1", "sip.v6", "node-7", "10.example.s3"])
def test_a_name_that_ends_in_a_digit_is_a_name(playbook, name):
    play = playbook(
        listeners=(Listener("udp", "10.0.0.5", 5070, index=0, advertised_host=name),)
    )
    for uri in (f"sip:{name}", f"sip:{name.upper()}.", f"sip:{name};lr"):
        play.send("client", request(f"OPTIONS {uri}", branch=f"z9hG4bK{uri[4:]}"))
        play.sees("client < 200")


def test_an_advertised_address_without_port_stands_for_the_default_one(playbook):
    play = playbook(
        listeners=(
            Listener("udp", "10.0.0.5", 5070, index=0, advertised_host="192.0.2.7"),
        )
    )
    play.send("client", request("OPTIONS sip:192.0.2.7"))
    play.sees("client < 403")


def test_a_route_entry_of_ours_is_ours_in_every_spelling(playbook):
    play = playbook(listeners=(Listener("udp", "::1", 5070, index=0),))
    play.send("client", subscribe(f"sip:{LONG}:5070", f"Route: <sip:{LONG}:5070;lr>"))
    play.sees("client < 405")


def test_the_default_route_is_an_address_and_no_text(playbook):
    play = playbook(
        listeners=(Listener("udp", "::1", 5070, index=0),),
        default_route=b"sip:[2001:0db8::0001]:5060;transport=udp",
    )
    play.send("client", subscribe("sip:x@far.test", "Route: <sip:[2001:db8::1];lr>"))
    play.sees("2001:db8::1 < SUBSCRIBE sip:x@far.test")
