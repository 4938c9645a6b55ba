"""What is refused before anything is routed (RFC 3261 section 16.3)."""

import pytest

from tests.support.messages import ALIAS, line_of, lines_of, read, request


@pytest.mark.parametrize(
    ("status", "change"),
    [
        (400, {"start": "INVITE sip:"}),
        (400, {"start": "INVITE <sip:a@contoso.test>"}),
        (400, {"start": "INVITE sip:a@contoso.test?Route=%3Csip:x%3E"}),
        (400, {"start": "INVITE sip:a%zz@contoso.test"}),
        (400, {"start": "INVITE sip:a@contoso.test:99999"}),
        (414, {"start": f"INVITE sip:{'a' * 1100}@contoso.test"}),
        (416, {"start": "INVITE tel:+49301234"}),
        (416, {"start": "INVITE soap.beep://192.0.2.103:3002"}),
        (400, {"cseq": "1 BYE"}),
        (400, {"cseq": "2147483648 INVITE"}),
        (400, {"cseq": "-1 INVITE"}),
        (400, {"from_": "<sip:a@b"}),
        (400, {"to": '"a <sip:a@b>'}),
        (400, {"max_forwards": "300"}),
        (400, {"max_forwards": "x"}),
        (483, {"max_forwards": 0}),
        (505, {"start": f"INVITE {ALIAS} SIP/3.0"}),
    ],
)
def test_what_breaks_a_rule_gets_the_status_of_that_rule(play, status, change):
    play.send("client", request(**change))
    play.sees(f"client < {status}")


def test_a_missing_max_forwards_is_added(play):
    """RFC 3261 section 16.6 item 3."""
    play.send("client", request(max_forwards=None))
    play.sees("client < 100", "fe1 < INVITE")
    assert line_of(play.last("fe1"), "Max-Forwards") in (
        b"Max-Forwards: 69",
        b"Max-Forwards: 70",
    )


def test_max_forwards_counts_down(play):
    play.send("client", request(max_forwards=8))
    play.sees("client < 100", "fe1 < INVITE")
    assert line_of(play.last("fe1"), "Max-Forwards") == b"Max-Forwards: 7"


def test_options_without_hops_left_goes_no_further(play):
    """RFC 3261 section 16.3 item 3: it may be answered, never forwarded."""
    play.send("client", request(f"OPTIONS {ALIAS}", max_forwards=0))
    play.sees("client < 483")


def test_options_without_hops_left_to_us_is_answered(play):
    play.send("client", request("OPTIONS sip:10.0.0.5:5060", max_forwards=0))
    play.sees("client < 200")


def test_max_breadth_of_zero_is_440(play):
    """RFC 5393 section 5.3.3."""
    play.send("client", request(f"INVITE {ALIAS}", "Max-Breadth: 0"))
    play.sees("client < 440")


def test_max_breadth_passes_as_it_is_without_forking(play):
    play.send("client", request(f"INVITE {ALIAS}", "Max-Breadth: 5"))
    play.sees("client < 100", "fe1 < INVITE")
    assert line_of(play.last("fe1"), "Max-Breadth") == b"Max-Breadth: 5"


def test_an_unknown_extension_is_420_and_named(play):
    """RFC 3261 section 16.3 item 5."""
    play.send("client", request(f"INVITE {ALIAS}", "Proxy-Require: foo, ms-benotify"))
    play.sees("client < 420")
    assert line_of(play.last("client"), "Unsupported") == b"Unsupported: foo"


def test_ms_benotify_counts_as_supported(play):
    play.send("client", request(f"SUBSCRIBE {ALIAS}", "Proxy-Require: ms-benotify"))
    play.sees("fe1 < SUBSCRIBE")


def test_require_is_not_our_business(play):
    """RFC 3261 section 20.32: Require is for the user agent server."""
    play.send("client", request(f"INVITE {ALIAS}", "Require: nobody-knows"))
    play.sees("client < 100", "fe1 < INVITE")


def test_a_request_that_comes_back_unchanged_is_a_loop(playbook):
    """RFC 3261 section 16.3 item 4, RFC 5393: 482."""
    play = playbook(default_route=b"sip:10.0.2.1:5060")
    play.send("client", request("SUBSCRIBE sip:bob@contoso.test"))
    play.sees("edge < SUBSCRIBE")
    looped = play.last("edge")
    vias = [x.partition(b": ")[2].decode() for x in lines_of(looped, "Via")]
    via = ["SIP/2.0/UDP 10.0.2.1:5060;branch=z9hG4bK-e", *vias]
    again = request("SUBSCRIBE sip:bob@contoso.test", via=via, max_forwards=68)
    play.send("edge", again)
    play.sees("edge < 482")


def test_a_request_that_comes_back_for_somebody_else_is_a_spiral(playbook):
    """RFC 5393 section 4.2: a spiral is legal."""
    play = playbook(default_route=b"sip:10.0.2.1:5060")
    play.send("client", request("SUBSCRIBE sip:bob@contoso.test"))
    play.sees("edge < SUBSCRIBE")
    vias = [x.partition(b": ")[2].decode() for x in lines_of(play.last("edge"), "Via")]
    via = ["SIP/2.0/UDP 10.0.2.1:5060;branch=z9hG4bK-e", *vias]
    play.send("edge", request(f"SUBSCRIBE {ALIAS}", via=via, max_forwards=68))
    play.sees("fe1 < SUBSCRIBE")


def test_a_broken_ack_gets_no_answer(play):
    play.send("client", request(f"ACK {ALIAS}", cseq="1 BYE"))
    play.sees()


def test_a_broken_response_is_dropped(play):
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    play.send("fe1", b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n")
    play.sees()


def test_a_repeated_answer_is_dropped(play):
    """RFC 3261 section 17.1.2.2: with timer K or without it (decision 154)."""
    play.send("client", request(f"SUBSCRIBE {ALIAS}"))
    play.sees("fe1 < SUBSCRIBE")
    for seen in (["client < 200"], [], []):
        play.answer("fe1", 200)
        play.sees(*seen)
    assert play.core.responses.strays == 2


def test_a_response_to_nothing_of_ours_is_dropped(play):
    play.send("fe1", b"SIP/2.0 200 OK\r\n" + request().partition(b"\r\n")[2])
    play.sees()
    assert play.core.responses.strays == 1


def test_a_response_whose_via_is_not_ours_is_dropped(play):
    """RFC 3261 section 18.1.2."""
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    asked = play.last("fe1").replace(b"UDP 10.0.0.5:5060", b"UDP 192.0.2.1:5060")
    play.send("fe1", b"SIP/2.0 200 OK\r\n" + asked.partition(b"\r\n")[2])
    play.sees()


def test_our_answers_copy_what_the_rfc_names(play):
    """RFC 3261 section 8.2.6.2: Via, From, Call-ID, CSeq as they came; a To tag."""
    asked = play.send("client", request("SUBSCRIBE sip:nobody@contoso.test"))
    play.sees("client < 404")
    answer = play.last("client")
    for name in ("From", "Call-ID", "CSeq"):
        assert line_of(answer, name) == line_of(asked, name)
    assert read(answer).to_tag()


def test_a_100_carries_no_to_tag_and_copies_the_timestamp(play):
    """RFC 3261 section 8.2.6.1."""
    play.send("client", request(f"INVITE {ALIAS}", "Timestamp: 54"))
    play.sees("client < 100", "fe1 < INVITE")
    assert read(play.last("client")).to_tag() is None
    assert line_of(play.last("client"), "Timestamp") == b"Timestamp: 54"


def test_too_many_transactions_are_503_with_a_time_to_come_back(playbook):
    play = playbook(max_transactions=0)
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    play.send("client", request(branch="z9hG4bK-2", call_id="2"))
    play.sees("client < 503")
    assert line_of(play.last("client"), "Retry-After")


@pytest.mark.parametrize("call_id", ["a:", "a ", "a\t", "(x)<y>:z[1]"])
def test_an_odd_call_id_is_legal(play, call_id):
    play.send("client", request(call_id=call_id))
    play.sees("client < 100", "fe1 < INVITE")


@pytest.mark.parametrize("call_id", ["", "  "])
def test_an_empty_call_id_is_not(play, call_id):
    play.send("client", request(call_id=call_id))
    play.sees("client < 400")


def test_max_forwards_may_have_leading_zeros(play):
    """RFC 4475 section 3.1.1.1: 1*DIGIT."""
    play.send("client", request(max_forwards="0068"))
    play.sees("client < 100", "fe1 < INVITE")
    assert line_of(play.last("fe1"), "Max-Forwards") == b"Max-Forwards: 67"


@pytest.mark.parametrize("via", ["SIP/7.0/UDP a;branch=x", "SIP/2.0/UDP a;;,;,,", ""])
def test_a_via_that_cannot_be_read_is_400_to_where_it_came_from(play, via):
    """RFC 4475 section 3.1.2.1."""
    play.send("client", request(via=via))
    play.sees("client < 400")


def test_what_cannot_be_read_gets_no_answer_where_none_is_awaited(play):
    for method in ("ACK", "BENOTIFY"):
        play.send("client", request(f"{method} {ALIAS}", via="nonsense"))
        play.sees()


# -- overload ----------------------------------------------------------------------


def test_beyond_the_limit_nothing_is_remembered(playbook):
    """A flood must not fill the memory with its refusals."""
    play = playbook(max_transactions=10)
    for number in range(40):
        for start in (f"INVITE {ALIAS}", "MESSAGE sip:", f"CANCEL {ALIAS}"):
            branch = f"z9hG4bK-{number}"
            play.send("client", request(start, branch=branch, call_id=branch))
            play.advance_quietly(0.0)
    assert len(play.core.transactions) <= 12


def test_beyond_the_limit_the_answer_is_503_with_a_time(playbook):
    play = playbook(max_transactions=0)
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    play.send("bob", request(branch="z9hG4bK-b", call_id="b"))
    play.sees("bob < 503")
    assert line_of(play.last("bob"), "Retry-After")
    play.send("client", request(f"CANCEL {ALIAS}"))
    play.sees("client < 200")


VIA = "SIP/2.0/UDP a.test;branch=z9hG4bK-9"


@pytest.mark.parametrize(
    ("lines", "seen"),
    [
        (["Via: " + ", ".join([VIA] * 70)], "client < 513"),
        (["Via: " + ",".join(["SIP/2.0/UDP a"] * 70)], "client < 513"),
        (["Via: " + VIA] * 60 + ["v: " + ", ".join([VIA] * 10)], "client < 513"),
        (["Route: " + ",".join(["<sip:a>"] * 41)], "client < 513"),
        (["Route: " + ",".join(["sip:a"] * 41)], "client < 513"),
        (
            ["Route: <sip:a>", "Route: " + ", ".join(["<sip:b;lr>"] * 40)],
            "client < 513",
        ),
        (["Route: " + ",\r\n ".join(["<sip:10.0.0.5:5060;lr>"] * 41)], "client < 513"),
        (["Route: " + ", ".join(["<sip:10.0.0.5:5060;lr>"] * 40)], "client < 100"),
        (["Via: " + ", ".join([VIA] * 69)], "client < 100"),
        (['Route: "' + "," * 200 + '" <sip:10.0.0.5:5060;lr>'], "client < 100"),
    ],
)
def test_via_and_route_entries_count_and_not_the_lines_that_hold_them(
    play, lines, seen
):
    play.send("client", request(f"INVITE {ALIAS}", *lines))
    play.sees(seen, *(["fe1 < INVITE"] if seen == "client < 100" else []))
