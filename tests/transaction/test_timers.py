"""Every timer of RFC 3261 Table 4, and L and M of RFC 6026, at its exact instant."""

import pytest

from proxy.transaction.timers import TIMER_C, Timers
from tests.transaction.bench import KEY, Bench


def lasts(bench: Bench, transaction, seconds: float) -> bool:
    """True when the transaction is known until exactly `seconds` from now."""
    bench.run(seconds - 0.001)
    if transaction.state == "terminated" or len(bench.layer) == 0:
        return False
    bench.run(0.001)
    return len(bench.layer) == 0


def test_timer_a_doubles_without_a_limit():
    bench = Bench()
    bench.client()
    bench.run(40.0)
    assert bench.times("INVITE") == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]


def test_timer_a_does_not_run_on_a_stream():
    bench = Bench("tcp")
    bench.client()
    bench.run(40.0)
    assert bench.times("INVITE") == [0]


def test_timer_a_stops_with_a_provisional_response():
    bench = Bench()
    bench.client()
    bench.run(0.6)
    bench.answer(100)
    bench.run(40.0)
    assert bench.times("INVITE") == [0, 0.5]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_timer_b_reports_a_timeout_after_64_t1(transport):
    bench = Bench(transport)
    transaction = bench.client()
    assert lasts(bench, transaction, 32.0)
    assert bench.reported[-1] == (32.0, "timeout")


def test_timer_b_does_not_end_a_call_that_rings():
    bench = Bench()
    transaction = bench.client()
    bench.answer(180)
    bench.run(100.0)
    assert transaction.state == "proceeding"


def test_timer_c_is_longer_than_three_minutes():
    assert TIMER_C > 180.0


def test_timer_d_keeps_a_refused_invite_for_32_seconds():
    bench = Bench()
    transaction = bench.client()
    bench.answer(486)
    assert transaction.state == "completed"
    assert lasts(bench, transaction, 32.0)


def test_timer_d_is_nothing_on_a_stream():
    bench = Bench("tcp")
    transaction = bench.client()
    bench.answer(486)
    assert transaction.state == "terminated"
    assert bench.times("ACK") == [0]


def test_timer_e_doubles_up_to_t2():
    bench = Bench()
    bench.client("INFO")
    bench.run(40.0)
    assert bench.times("INFO") == [
        *(0, 0.5, 1.5, 3.5),
        *(7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5),
    ]


def test_timer_e_is_t2_once_a_provisional_has_come():
    """RFC 3261 section 17.1.2.2: at its next firing, then every four seconds."""
    bench = Bench()
    bench.client("INFO")
    bench.run(0.2)
    bench.answer(100)
    bench.run(20.0)
    assert bench.times("INFO") == [0, 0.5, 4.5, 8.5, 12.5, 16.5]


def test_timer_e_does_not_run_on_a_stream():
    bench = Bench("tcp")
    bench.client("INFO")
    bench.run(40.0)
    assert bench.times("INFO") == [0]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("provisional", [False, True])
def test_timer_f_reports_a_timeout_after_64_t1(transport, provisional):
    bench = Bench(transport)
    transaction = bench.client("INFO")
    if provisional:
        bench.answer(100)
    assert lasts(bench, transaction, 32.0)
    assert bench.reported[-1] == (32.0, "timeout")


def test_timer_g_repeats_a_refusal_up_to_t2():
    bench = Bench()
    bench.server().respond(486, b"SIP/2.0 486\r\n\r\n", bench.now)
    bench.run(40.0)
    assert bench.times("SIP/2.0 486") == [
        *(0, 0.5, 1.5, 3.5),
        *(7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5),
    ]


def test_timer_g_stops_with_the_ack():
    bench = Bench()
    transaction = bench.server()
    transaction.respond(486, b"SIP/2.0 486\r\n\r\n", bench.now)
    bench.run(1.0)
    transaction.handle("ack", bench.now)
    bench.run(40.0)
    assert bench.times("SIP/2.0 486") == [0, 0.5]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_timer_h_waits_32_seconds_for_an_ack(transport):
    bench = Bench(transport)
    transaction = bench.server()
    transaction.respond(486, b"SIP/2.0 486\r\n\r\n", bench.now)
    assert lasts(bench, transaction, 32.0)


def test_timer_i_absorbs_repeated_acks_for_t4():
    bench = Bench()
    transaction = bench.server()
    transaction.respond(486, b"SIP/2.0 486\r\n\r\n", bench.now)
    transaction.handle("ack", bench.now)
    assert transaction.state == "confirmed"
    assert lasts(bench, transaction, 5.0)


def test_timer_i_is_nothing_on_a_stream():
    bench = Bench("tcp")
    transaction = bench.server()
    transaction.respond(486, b"SIP/2.0 486\r\n\r\n", bench.now)
    transaction.handle("ack", bench.now)
    assert transaction.state == "terminated"


def test_timer_j_repeats_an_answer_for_32_seconds():
    bench = Bench()
    transaction = bench.server("INFO")
    transaction.respond(200, b"SIP/2.0 200\r\n\r\n", bench.now)
    bench.run(31.0)
    transaction.handle("request", bench.now)
    assert bench.times("SIP/2.0 200") == [0, 31.0]
    assert lasts(bench, transaction, 1.0)


def test_timer_j_is_nothing_on_a_stream():
    bench = Bench("tcp")
    transaction = bench.server("INFO")
    transaction.respond(200, b"SIP/2.0 200\r\n\r\n", bench.now)
    assert transaction.state == "terminated"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("status", [200, 404])
def test_timer_k_is_nothing_and_repeated_answers_are_reported_to_nobody(
    status, transport
):
    """Decision 154: what repeats an answer then belongs to no transaction."""
    bench = Bench(transport)
    transaction = bench.client("INFO")
    bench.answer(status)
    assert transaction.state == "terminated" and len(bench.layer) == 0
    assert bench.layer.client_for(KEY, b"INFO") is None
    transaction.handle("2xx", bench.now)
    assert bench.reported == [(0.0, str(status))]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_timer_l_keeps_an_accepted_invite_for_32_seconds(transport):
    """RFC 6026 section 7.1."""
    bench = Bench(transport)
    transaction = bench.server()
    transaction.respond(200, b"SIP/2.0 200\r\n\r\n", bench.now)
    assert transaction.state == "accepted"
    assert lasts(bench, transaction, 32.0)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_timer_m_lets_repeated_2xx_through_for_32_seconds(transport):
    """RFC 6026 section 8.4."""
    bench = Bench(transport)
    transaction = bench.client()
    bench.answer(200)
    bench.run(31.0)
    bench.answer(200)
    assert bench.reported == [(0.0, "200"), (31.0, "200")]
    assert lasts(bench, transaction, 1.0)


def test_the_transaction_user_hears_once_that_t1_has_passed():
    for method in ("INVITE", "INFO"):
        bench = Bench()
        bench.client(method)
        bench.run(31.0)
        assert bench.reported == [(0.5, "waiting")]


def test_nothing_is_left_of_a_transaction_that_ended():
    for transport in ("udp", "tcp"):
        bench = Bench(transport)
        for method in ("INVITE", "INFO"):
            bench.client(method)
            bench.answer(200)
            bench.run(100.0)
            bench.server(method).respond(200, b"SIP/2.0 200\r\n\r\n", bench.now)
            bench.run(100.0)
        assert len(bench.layer) == 0
        assert len(bench.timers) == 0


class Owner:
    def __init__(self) -> None:
        self.fired: list[str] = []

    def timer_fired(self, name: str, now: float) -> None:
        self.fired.append(name)


def test_the_earliest_deadline_is_told_whatever_the_delays():
    timers, owner = Timers(), Owner()
    for delay in (32.0, 0.5, 7.0, 5.0):
        timers.start(f"{delay:g}", delay, owner, 100.0)
    told = []
    while (due := timers.deadline()) is not None:
        told.append(due)
        timers.fire(due)
    assert told == [100.5, 105.0, 107.0, 132.0]
    assert owner.fired == ["0.5", "5", "7", "32"]


def test_a_late_look_serves_everything_that_is_due_and_nothing_else():
    timers, owner = Timers(), Owner()
    for delay in (0.5, 7.0, 32.0):
        timers.start(f"{delay:g}", delay, owner, 0.0)
    assert timers.fire(8.0) == 2
    assert owner.fired == ["0.5", "7"]
    assert len(timers) == 1
