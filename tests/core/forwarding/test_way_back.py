"""Ways back, transports and what a non-INVITE hears while it waits."""

import re

import pytest

from proxy.core import events
from proxy.sip.flow import Listener
from tests.support.messages import ALIAS, line_of, lines_of, read, request, response


def via_seen(play, via: str) -> bytes:
    """The client's Via as the next hop got it."""
    play.send("client", request(f"SUBSCRIBE {ALIAS}", via=via))
    (_, line) = lines_of(play.last("fe1"), "Via")
    play.sees("fe1 < SUBSCRIBE")
    return line


def test_an_address_that_is_the_source_gets_no_received(play):
    """RFC 3261 section 18.2.1."""
    via = "SIP/2.0/UDP 10.1.0.9:40000;branch=z9hG4bK-1"
    assert via_seen(play, via) == f"Via: {via}".encode()


def test_another_host_gets_received(play):
    """RFC 3261 section 18.2.1."""
    via = "SIP/2.0/UDP pc.example:40000;branch=z9hG4bK-1"
    assert via_seen(play, via) == f"Via: {via};received=10.1.0.9".encode()


def test_the_brackets_of_ipv6_make_no_other_host(playbook):
    listeners = (
        Listener("udp", "10.0.0.5", 5060, index=0),
        Listener("udp", "2001:db8::5", 5060, index=1),
    )
    play = playbook(listeners=listeners)
    flow = play.flows.udp(listeners[1], "2001:db8::9", 40000)
    via = "SIP/2.0/UDP [2001:db8::9]:40000;branch=z9hG4bK-1"
    data = request(f"SUBSCRIBE {ALIAS}", via=via)
    (sent,) = play.core.handle(events.MessageReceived(flow, data), play.now)
    assert lines_of(sent.data, "Via")[1] == f"Via: {via}".encode()


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        (";rport;branch=z9hG4bK-1", ";rport=40000;branch=z9hG4bK-1;received=10.1.0.9"),
        (";branch=z9hG4bK-1;rport", ";branch=z9hG4bK-1;rport=40000;received=10.1.0.9"),
        (
            "; RPort ;branch=z9hG4bK-1",
            "; RPort=40000 ;branch=z9hG4bK-1;received=10.1.0.9",
        ),
        (
            ";rportal=1;rport;branch=z9hG4bK-1",
            ";rportal=1;rport=40000;branch=z9hG4bK-1;received=10.1.0.9",
        ),
    ],
)
def test_rport_is_filled_in(play, given, filled):
    """RFC 3581 section 4."""
    seen = via_seen(play, f"SIP/2.0/UDP 10.1.0.9:40000{given}")
    assert seen == f"Via: SIP/2.0/UDP 10.1.0.9:40000{filled}".encode()


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        (";branch=z9hG4bK-1;received=10.9.9.9", ";branch=z9hG4bK-1;received=10.1.0.9"),
        (";received=10.9.9.9;branch=z9hG4bK-1", ";received=10.1.0.9;branch=z9hG4bK-1"),
        (
            ";branch=z9hG4bK-1; Received = 10.9.9.9 ;x;received=10.9.9.8",
            ";branch=z9hG4bK-1; Received=10.1.0.9 ;x",
        ),
        (
            ";branch=z9hG4bK-1;received",
            ";branch=z9hG4bK-1;received=10.1.0.9",
        ),
        (
            ';branch=z9hG4bK-1;x=";received=1";received=evil.test',
            ';branch=z9hG4bK-1;x=";received=1";received=10.1.0.9',
        ),
        (
            ";branch=z9hG4bK-1;rport=9;received=10.9.9.9",
            ";branch=z9hG4bK-1;rport=40000;received=10.1.0.9",
        ),
        (
            ";branch=z9hG4bK-1;rport=9;rport=7",
            ";branch=z9hG4bK-1;rport=40000;received=10.1.0.9",
        ),
    ],
)
def test_what_a_client_says_of_its_source_is_written_over(play, given, seen):
    """RFC 3261 section 18.2.1, RFC 3581 section 4: the values are the source's."""
    via = f"SIP/2.0/UDP 10.1.0.9:40000{given}"
    assert via_seen(play, via) == f"Via: SIP/2.0/UDP 10.1.0.9:40000{seen}".encode()


def test_only_the_top_via_is_the_clients_own(play):
    """What stands below was written by hops that we have not seen."""
    top = "SIP/2.0/UDP 10.1.0.9:40000;branch=z9hG4bK-1;received=10.9.9.9"
    below = "SIP/2.0/UDP 10.2.0.1;branch=z9hG4bK-0;received=10.8.8.8"
    assert via_seen(play, f"{top}, {below}") == (
        b"Via: " + top.replace("10.9.9.9", "10.1.0.9").encode() + b", " + below.encode()
    )


def test_the_source_is_the_same_however_the_client_spells_it(playbook):
    listener = Listener("udp", "2001:db8::5", 5060, index=0)
    play = playbook(listeners=(Listener("udp", "10.0.0.5", 5060, index=1), listener))
    flow = play.flows.udp(listener, "2001:db8::9", 40000)
    via = "SIP/2.0/UDP [2001:DB8:0:0:0:0:0:9]:40000;branch=z9hG4bK-1"
    data = request(f"SUBSCRIBE {ALIAS}", via=via)
    (sent,) = play.core.handle(events.MessageReceived(flow, data), play.now)
    assert lines_of(sent.data, "Via")[1] == f"Via: {via}".encode()


def test_a_peer_that_spells_our_via_anew_is_understood(playbook):
    """Java stacks write IPv6 addresses in full."""
    play = playbook(
        listeners=(Listener("udp", "::1", 5060, index=0),),
        front_ends=(),
        default_route=b"sip:[::2]:5060;transport=udp",
    )
    play.send("client", request("SUBSCRIBE sip:x@far.test"))
    play.sees("::2 < SUBSCRIBE")
    again = response(play.last("::2"), 200).replace(b"[::1]:", b"[0:0:0:0:0:0:0:1]:")
    flow = play.flows.udp(play.flows.listeners[0], "::2", 5060)
    play._handle(events.MessageReceived(flow, again))
    play.sees("client < 200")


def test_with_rport_the_answer_goes_to_the_source_port(play):
    """RFC 3581 section 4."""
    via = "SIP/2.0/UDP 10.1.0.9:5555;rport;branch=z9hG4bK-1"
    sent = play.send("client", request("SUBSCRIBE sip:nobody@contoso.test", via=via))
    play.sees("client < 404")
    play.send("client", sent)  # and so does its repetition
    play.sees("client < 404")
    assert [way.port for way in play.ways] == [40000, 40000]


def test_without_rport_the_answer_goes_to_the_port_of_the_via(play):
    """RFC 3261 section 18.2.2."""
    via = "SIP/2.0/UDP 10.1.0.9:5555;branch=z9hG4bK-1"
    sent = play.send("client", request("SUBSCRIBE sip:nobody@contoso.test", via=via))
    play.sees("client < 404")
    play.send("client", sent)  # and so does its repetition
    play.sees("client < 404")
    assert [way.port for way in play.ways] == [5555, 5555]


def test_on_a_stream_the_answer_goes_down_the_same_connection(play):
    """RFC 3261 section 18.2.2."""
    via = "SIP/2.0/TCP elsewhere.example:5555;branch=z9hG4bK-1"
    play.send("client/tcp", request("SUBSCRIBE sip:nobody@contoso.test", via=via))
    play.sees("client/tcp < 404")


def call_over_a_connection_that_ends(playbook):
    play = playbook()
    play.send("client/tcp", request(transport="TCP"))
    play.sees("client/tcp < 100", "fe1 < INVITE")
    play.closes("client/tcp")
    play.sees()
    return play


def test_a_connection_that_has_ended_is_opened_anew_for_the_answer(playbook):
    """RFC 3261 section 18.2.2: to the source, at the port of sent-by."""
    play = call_over_a_connection_that_ends(playbook)
    play.answer("fe1", 180)
    play.sees("connect client/tcp")
    play.answer("fe1", 200)
    play.sees()
    play.connects("client/tcp")
    play.sees("client/tcp < 180", "client/tcp < 200")
    play.answer("fe1", 200)
    play.sees("client/tcp < 200")


def test_a_connection_that_is_there_again_is_used_for_the_answer(playbook):
    play = call_over_a_connection_that_ends(playbook)
    play.send("client/tcp", b"\r\n\r\n")
    play.answer("fe1", 200)
    play.sees("client/tcp < 200")


def test_a_call_of_a_client_that_is_gone_rings_no_longer(playbook):
    play = call_over_a_connection_that_ends(playbook)
    play.answer("fe1", 180)
    play.sees("connect client/tcp")
    play.cannot_connect("client/tcp")
    play.sees("fe1 < CANCEL")
    play.answer("fe1", 487)
    play.sees("fe1 < ACK", "connect client/tcp")
    play.cannot_connect("client/tcp")
    play.sees()


def test_a_trying_is_not_worth_a_connection(playbook):
    play = playbook(default_route=b"sip:10.0.2.1")
    play.send("client/tcp", request("MESSAGE sip:bob@contoso.test", transport="TCP"))
    play.sees("edge < MESSAGE")
    play.closes("client/tcp")
    play.advance_quietly(10)
    assert not any(name == "client/tcp" for name, _ in play.sent)


def test_answers_come_back_without_our_via_and_otherwise_unchanged(play):
    via = [
        "SIP/2.0/UDP 10.1.0.9:40000;branch=z9hG4bK-1",
        "SIP/2.0/UDP a, SIP/2.0/UDP b",
    ]
    asked = play.send("client", request(f"SUBSCRIBE {ALIAS}", via=via))
    play.sees("fe1 < SUBSCRIBE")
    play.answer("fe1", 202, "x-Odd :  y ", 'ms-diagnostics: 1;reason="a"')
    play.sees("client < 202")
    answer = play.last("client")
    assert lines_of(answer, "Via") == lines_of(asked, "Via")
    assert b"\r\nx-Odd :  y \r\n" in answer


def test_a_via_of_ours_joined_with_others_is_taken_off_alone(play):
    play.send("client", request(f"SUBSCRIBE {ALIAS}"))
    play.sees("fe1 < SUBSCRIBE")
    asked = play.last("fe1")
    first, second = lines_of(asked, "Via")
    joined = asked.replace(
        first + b"\r\n", first + b", " + second.partition(b": ")[2] + b"\r\n"
    ).replace(second + b"\r\n", b"", 1)
    play.send("fe1", b"SIP/2.0 202 OK\r\n" + joined.partition(b"\r\n")[2])
    play.sees("client < 202")
    assert lines_of(play.last("client"), "Via") == [second]


@pytest.mark.parametrize("status", [180, 200, 486])
def test_a_peer_that_changes_the_case_of_our_branch_is_understood(play, status):
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    answer = response(play.last("fe1"), status)
    branch = re.search(rb"z9hG4bKwp[^;\r]+", answer)[0]
    play.send("fe1", answer.replace(branch, branch.upper()))
    play.sees(*["fe1 < ACK"] * (status > 300), f"client < {status}")


def test_a_compact_via_is_spelt_out_for_legacy_clients(play):
    data = request(f"SUBSCRIBE {ALIAS}").replace(b"Via:", b"v:")
    play.send("client", data)
    play.sees("fe1 < SUBSCRIBE")
    assert len(lines_of(play.last("fe1"), "Via")) == 2


def unmeasured(data: bytes) -> bytes:
    return data.replace(b"\r\n" + lines_of(data, "Content-Length")[0], b"")


def test_a_datagram_without_content_length_gets_one_before_a_stream(playbook):
    """RFC 3261 section 18.3: on a stream nothing else tells where it ends."""
    play = playbook(transport="tcp")
    play.flow("fe1/tcp")
    play.send("client", unmeasured(request(f"MESSAGE {ALIAS}", body=b"hello")))
    play.sees("fe1/tcp < MESSAGE")
    assert line_of(play.last("fe1/tcp"), "Content-Length") == b"Content-Length: 5"


@pytest.mark.parametrize("status", [180, 200, 404])
def test_an_answer_without_content_length_gets_one_before_a_stream(playbook, status):
    """A legacy client drops its connection over one that has none."""
    play = playbook()
    play.send("client/tcp", request(transport="TCP"))
    play.sees("client/tcp < 100", "fe1 < INVITE")
    asked = play.request_at("fe1")
    play.send("fe1", unmeasured(response(asked, status, body=b"x")))
    play.sees(*(["fe1 < ACK"] if status > 300 else []), f"client/tcp < {status}")
    answer = play.last("client/tcp")
    assert line_of(answer, "Content-Length") == b"Content-Length: 1"
    assert answer.endswith(b"\r\n\r\nx")


# -- RFC 3261 section 18.1.1: what is too large for UDP -----------------------------


def large(**more) -> bytes:
    return request(f"SUBSCRIBE {ALIAS}", body=b"x" * 1400, **more)


def test_a_large_request_goes_over_tcp_where_the_pool_has_it(play):
    streams = play.knows("other", "fe1", "fe2", transport="tcp").groups
    play.cached[next(iter(play.cached))].groups.update(streams)
    play.send("client", large())
    play.sees("connect fe1/tcp")
    play.connects("fe1/tcp")
    play.sees("fe1/tcp < SUBSCRIBE")
    assert b"/TCP 10.0.0.5:5060" in lines_of(play.last("fe1/tcp"), "Via")[0]


def test_a_large_request_goes_back_to_udp_when_tcp_is_refused(play):
    streams = play.knows("other", "fe1", transport="tcp").groups
    play.cached[next(iter(play.cached))].groups.update(streams)
    play.send("client", large())
    play.sees("connect fe1/tcp")
    play.cannot_connect("fe1/tcp")
    play.sees("fe1 < SUBSCRIBE")


def test_a_large_request_stays_on_udp_where_there_is_nothing_else(play):
    play.send("client", large())
    play.sees("fe1 < SUBSCRIBE")


def test_a_small_request_stays_on_udp(play):
    streams = play.knows("other", "fe1", transport="tcp").groups
    play.cached[next(iter(play.cached))].groups.update(streams)
    play.send("client", request(f"SUBSCRIBE {ALIAS}"))
    play.sees("fe1 < SUBSCRIBE")


def test_a_request_from_a_stream_prefers_a_stream(play):
    streams = play.knows("other", "fe1", transport="tcp").groups
    play.cached[next(iter(play.cached))].groups.update(streams)
    play.send("client/tcp", request(f"SUBSCRIBE {ALIAS}", transport="TCP"))
    play.sees("connect fe1/tcp")


# -- RFC 4320: non-INVITE ------------------------------------------------------------


def test_a_slow_answer_to_a_non_invite_is_announced_after_3_5_seconds(playbook):
    """RFC 4320 section 4.1: a 100 not before Timer E has reached T2."""
    play = playbook(front_ends=("fe1",))
    play.send("client", request(f"MESSAGE {ALIAS}"))
    play.sees("fe1 < MESSAGE")
    play.advance(3.5)
    play.sees(
        "0.5s fe1 < MESSAGE",
        "1.5s fe1 < MESSAGE",
        "3.5s client < 100",
        "3.5s fe1 < MESSAGE",
    )


def test_a_quick_answer_to_a_non_invite_needs_no_100(play):
    play.send("client", request(f"MESSAGE {ALIAS}"))
    play.sees("fe1 < MESSAGE")
    play.answer("fe1", 200)
    play.sees("client < 200")
    play.advance(10.0)
    play.sees()


def test_a_provisional_for_a_non_invite_stays_here(play):
    """RFC 4320 section 4.1."""
    play.send("client", request(f"MESSAGE {ALIAS}"))
    play.sees("fe1 < MESSAGE")
    play.answer("fe1", 100)
    play.sees()
    play.answer("fe1", 200)
    play.sees("client < 200")


def test_no_408_is_ever_sent_to_a_non_invite(playbook):
    """RFC 4320 section 4.2."""
    play = playbook(front_ends=("fe1",), default_route=b"sip:10.0.2.1:5060")
    for number, uri in enumerate((ALIAS, "sip:bob@contoso.test")):
        data = request(
            f"MESSAGE {uri}", branch=f"z9hG4bK-{number}", call_id=str(number)
        )
        play.send("client", data)
        play.sees(f"{'edge' if number else 'fe1'} < MESSAGE")
        play.advance_quietly(60.0)
    statuses = [read(data).lines[0] for peer, data in play.sent if peer == "client"]
    assert not any(b" 408 " in line for line in statuses)


def test_a_retransmission_is_answered_from_memory(play):
    data = request(f"MESSAGE {ALIAS}")
    play.send("client", data)
    play.sees("fe1 < MESSAGE")
    play.answer("fe1", 200)
    play.sees("client < 200")
    play.send("client", data)
    play.sees("client < 200")


def test_several_messages_of_one_segment_keep_their_order(playbook):
    play = playbook(transport="tcp")
    for number in range(3):
        data = request(
            f"INFO {ALIAS}",
            branch=f"z9hG4bK-{number}",
            cseq=number + 1,
            transport="TCP",
        )
        play.send("client/tcp", data)
        play.sees(*(["connect fe1/tcp"] if number == 0 else []))
    play.connects("fe1/tcp")
    play.sees(*["fe1/tcp < INFO"] * 3)
    order = [line_of(d, "CSeq") for peer, d in play.sent if peer == "fe1/tcp"]
    assert order == [b"CSeq: 1 INFO", b"CSeq: 2 INFO", b"CSeq: 3 INFO"]
