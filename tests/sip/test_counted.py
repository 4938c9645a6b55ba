"""A figure is an attribute, so that counting makes nothing new."""

from proxy.sip.counted import Counted
from proxy.transaction.budget import Budget
from proxy.transaction.layer import TransactionLayer
from proxy.transaction.timers import Timers
from tests.transaction.bench import Bench


def test_it_begins_at_nothing_and_each_counts_for_itself():
    one, other = Counted(), Counted()
    one.n += 2
    assert (one.n, other.n) == (2, 0)


def test_answers_are_counted_by_their_class():
    bench = Bench()
    bench.server("BYE").respond(404, b"SIP/2.0 404\r\n\r\n", bench.now)
    sent = bench.layer.server_side.responses_sent
    assert [each.n for each in sent] == [0, 0, 0, 0, 1, 0, 0]
    unused = TransactionLayer(lambda flow, data: None, Timers(), Budget())
    assert [each.n for each in unused.server_side.responses_sent] == [0] * 7
