"""What belongs to which transaction, and what a stream's end means."""

import pytest

from tests.support.messages import line_of, lines_of, read, request
from tests.transaction.bench import KEY, Bench, lines_sent


def test_a_broken_stream_fails_the_requests_that_wait_on_it():
    bench = Bench("tcp")
    bench.client()
    bench.layer.flow_closed(bench.flow, "reset", bench.now)
    assert bench.reported == [(0.0, "reset")]
    assert len(bench.layer) == 0


def test_a_broken_stream_means_nothing_once_the_answer_is_there():
    bench = Bench("tcp")
    transaction = bench.client()
    bench.answer(200)
    bench.layer.flow_closed(bench.flow, "reset", bench.now)
    assert bench.reported == [(0.0, "200")]
    assert transaction.state == "accepted"


def test_a_provisional_response_keeps_the_request_waiting_on_its_stream():
    bench = Bench("tcp")
    bench.client()
    bench.answer(180)
    bench.layer.flow_closed(bench.flow, "reset", bench.now)
    assert bench.reported == [(0.0, "180"), (0.0, "reset")]


def test_a_response_is_matched_by_branch_and_method():
    """RFC 3261 section 17.1.3."""
    bench = Bench()
    transaction = bench.client()
    assert bench.layer.client_for(KEY, b"INVITE") is transaction
    assert bench.layer.client_for(KEY, b"BYE") is None
    assert bench.layer.client_for(b"z9hG4bK-2", b"INVITE") is None
    assert bench.layer.client_for(KEY, b"CANCEL") is None


def test_the_ack_for_a_refusal_repeats_what_the_rfc_names():
    """RFC 3261 section 17.1.1.3."""
    bench = Bench()
    acks: list[bytes] = []
    bench.layer.client_side.send = lambda flow, data: acks.append(data)
    bench.request = request(
        "INVITE sip:x@contoso.test", "Route: <sip:a;lr>", "Route: <sip:b;lr>"
    )
    lines = lines_sent(bench.request)
    bench.layer.open_client(KEY, b"INVITE", lines, bench.flow, bench, 0.0)
    bench.answer(486)
    ack = acks[-1]
    assert ack.startswith(b"ACK sip:x@contoso.test SIP/2.0\r\n")
    for name in ("Via", "From", "Call-ID"):
        assert line_of(ack, name) == line_of(bench.request, name)
    assert lines_of(ack, "Route") == lines_of(bench.request, "Route")
    assert line_of(ack, "To").endswith(b";tag=pool-1")
    assert line_of(ack, "CSeq") == b"CSeq: 1 ACK"


def test_an_invite_with_as_many_headers_as_allowed_is_still_acknowledged():
    """What we sent is longer than what we accept: by Via and Record-Route."""
    bench = Bench()
    extra = [f"X-{n}: y" for n in range(130)]
    bench.request = b"\r\n".join(
        [*request().split(b"\r\n")[:-2], *(x.encode() for x in extra), b"", b""]
    )
    lines = lines_sent(bench.request)
    bench.layer.open_client(KEY, b"INVITE", lines, bench.flow, bench, 0.0)
    (transaction,) = bench.layer.clients.values()
    answer = read(b"SIP/2.0 486 Busy\r\n" + request().partition(b"\r\n")[2])
    transaction.response_received(answer, bench.now)
    assert bench.times("ACK") == [0]


@pytest.mark.parametrize("state", ["completed", "terminated"])
def test_a_server_ignores_what_its_user_says_too_late(state):
    bench = Bench()
    transaction = bench.server()
    transaction.respond(486, b"SIP/2.0 486\r\n\r\n", bench.now)
    if state == "terminated":
        bench.run(32.0)
    bench.sent.clear()
    transaction.respond(200, b"SIP/2.0 200\r\n\r\n", bench.now)
    assert bench.sent == []
    assert transaction.status == 486


def test_a_repeated_request_gets_the_last_response_again():
    bench = Bench()
    transaction = bench.server()
    for status in (100, 180):
        transaction.respond(status, b"SIP/2.0 %d\r\n\r\n" % status, bench.now)
    transaction.handle("request", bench.now)
    assert bench.sent[-1] == (0.0, "SIP/2.0 180")


def test_an_accepted_invite_is_absorbed_in_silence():
    """RFC 6026 section 7.1: the callee repeats its 2xx itself."""
    bench = Bench()
    transaction = bench.server()
    transaction.respond(200, b"SIP/2.0 200\r\n\r\n", bench.now)
    transaction.handle("request", bench.now)
    assert bench.times("SIP/2.0 200") == [0]


def test_what_finds_no_transaction_left_and_what_finds_no_memory_are_both_counted():
    bench = Bench()
    bench.client()
    layer = bench.layer
    assert layer.has_room(bench.flow, 500, 1)
    assert not layer.has_room(bench.flow, 500, 0)
    assert (layer.crowded_out, layer.budget.shed) == (1, 0)
    layer.budget.allow(1000)
    assert not layer.has_room(bench.flow, 500, 1)
    assert (layer.crowded_out, layer.budget.shed) == (1, 1)
