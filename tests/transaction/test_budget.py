"""Bytes held and bytes sent: shares of strangers, friends, and one source."""

from time import process_time

import pytest

from proxy.sip.flow import Flow, Listener
from proxy.transaction.budget import (
    ACCOUNTS,
    COPIES,
    GARBLED,
    GARBLED_AT_ONCE,
    LOUDER,
    OVERHEAD,
    Budget,
)
from proxy.transaction.layer import TransactionLayer
from proxy.transaction.timers import Timers

UDP = Listener("udp", "10.0.0.5", 5060)
TCP = Listener("tcp", "10.0.0.5", 5060)
TOTAL = 1_000_000


def flow(host: str, *, proven: bool = False, listener: Listener = UDP) -> Flow:
    made = Flow(listener, host, 5060)
    made.is_proven = proven
    return made


def fill(budget: Budget, source: Flow, size: int = 1_000) -> int:
    """Take requests until there is no room; the bytes held for them."""
    before, cost = budget.held, COPIES * size + OVERHEAD
    while budget.has_room(source, size):
        budget.charge(source, cost)
    return budget.held - before


def test_one_source_has_half_strangers_three_quarters_and_friends_all() -> None:
    budget = Budget(TOTAL)
    assert 0.48 * TOTAL < fill(budget, flow("192.0.2.1")) <= 0.5 * TOTAL
    fill(budget, flow("192.0.2.2"))
    assert 0.73 * TOTAL < budget.held <= 0.75 * TOTAL
    assert not budget.has_room(flow("192.0.2.3"), 0)
    fill(budget, flow("192.0.2.4", proven=True))
    assert 0.98 * TOTAL < budget.held <= TOTAL
    assert budget.shed == 4


def test_ports_of_an_address_and_addresses_of_a_64_share_an_account() -> None:
    budget = Budget(TOTAL)
    for one, other in (
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8:0:0:5::1"),
        ("2001:db8:0:1::9", "2001:0db8:0:1:ffff::"),
    ):
        assert budget.account(flow(one)) is budget.account(flow(other))
    assert budget.account(flow("2001:db8::1")) is not budget.account(
        flow("2001:db8:0:1::1")
    )


def test_what_is_given_back_is_free_again() -> None:
    budget = Budget(TOTAL)
    source = flow("192.0.2.1")
    budget.charge(source, 400_000)
    assert not budget.has_room(source, 60_000)
    budget.charge(source, -400_000)
    assert budget.has_room(source, 60_000)
    assert budget.held == budget.account(source).held == 0


def test_accounts_of_sources_that_hold_nothing_are_not_kept_for_ever() -> None:
    budget = Budget(TOTAL)
    holding = flow("192.0.2.1")
    budget.charge(holding, 5)
    for n in range(30_000):
        budget.account(flow(f"10.{n // 65536}.{n // 256 % 256}.{n % 256}"))
    assert len(budget._accounts) <= 10_001
    assert budget.account(flow("192.0.2.1")).held == 5


def test_a_new_source_costs_the_same_however_many_hold_something() -> None:
    """Forged sources: none of them is idle, so looking for idle ones finds nothing."""
    budget = Budget()

    def seconds_for(first: int, count: int) -> float:
        flows = [
            flow(f"10.{n // 65536}.{n // 256 % 256}.{n % 256}")
            for n in range(first, first + count)
        ]
        begun = process_time()
        for each in flows:
            budget.charge(each, OVERHEAD)
        return process_time() - begun

    few = seconds_for(0, ACCOUNTS)
    many = seconds_for(ACCOUNTS, ACCOUNTS // 10)
    assert many < 5 * few
    assert budget.account(flow("10.0.0.1")).held == OVERHEAD


def test_a_finished_request_is_held_with_its_key() -> None:
    """The branch is in it, and may be most of what the request said."""
    layer = TransactionLayer(lambda flow, data: None, Timers())
    key = b"z9hg4bk" + b"x" * 8_000
    transaction = layer.open_server(key, b"OPTIONS", flow("192.0.2.1"), 8_400)
    transaction.respond(404, answer := b"SIP/2.0 404 " + key, 0.0)
    assert layer.answers[key] is answer
    assert layer.budget.held == OVERHEAD + len(key) + len(answer)


def test_an_address_that_has_shown_nothing_gets_three_times_what_it_sent() -> None:
    budget = Budget()
    source = flow("192.0.2.1")
    budget.heard(source, 125)
    final = b"SIP/2.0 404 Not Found".ljust(100)
    said = sum(len(final) for _ in range(50) if budget.may_say(source, final))
    assert said == 300 <= LOUDER * 125
    budget.heard(source, 125)  # its retransmission makes room for an answer
    assert budget.may_say(source, final)


def test_a_provisional_answer_leaves_room_for_the_final_one() -> None:
    budget = Budget()
    source = flow("192.0.2.1")
    budget.heard(source, 500)
    provisional, final = b"SIP/2.0 180 Ringing".ljust(400), b"SIP/2.0 200".ljust(600)
    assert budget.may_say(source, provisional)
    assert budget.may_say(source, provisional)
    assert not budget.may_say(source, provisional)
    assert budget.may_say(source, final)


@pytest.mark.parametrize(
    ("listener", "data"),
    [(TCP, b"SIP/2.0 200 OK"), (UDP, b"INVITE sip:bob@contoso.test SIP/2.0")],
)
def test_streams_and_requests_of_ours_are_no_loudspeaker(
    listener: Listener, data: bytes
) -> None:
    assert Budget().may_say(flow("192.0.2.1", listener=listener), data)


def test_of_one_source_so_many_unreadable_messages_a_second_are_dealt_with() -> None:
    budget, loud, quiet = Budget(TOTAL), flow("192.0.2.1"), flow("192.0.2.2")
    assert sum(budget.may_garble(loud, 100.0) for _ in range(1_000)) == GARBLED_AT_ONCE
    assert budget.may_garble(quiet, 100.0)
    assert budget.may_garble(loud, 100.0 + 1.1 / GARBLED)
    assert not budget.may_garble(loud, 100.0 + 1.2 / GARBLED)
    # All through a minute of ten thousand a second.
    count = sum(budget.may_garble(loud, 200.0 + n / 10_000) for n in range(600_000))
    assert GARBLED * 60 <= count <= GARBLED * 60 + GARBLED_AT_ONCE + 1
