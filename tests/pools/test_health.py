"""Passive ejection, on a virtual clock."""

from proxy.pools.front_end import FrontEnd
from proxy.pools.health import HISTORY, MAX_KNOWN, HealthBook

FE1 = ("tcp", "192.0.2.1", 5060, "")
FE2 = ("tcp", "192.0.2.2", 5060, "")


def fail(book, key, *instants):
    return [book.record_failure(key, "refused", at) for at in instants]


def test_the_third_failure_in_a_row_ejects_for_ten_seconds():
    book = HealthBook()
    assert fail(book, FE1, 1.0, 2.0, 3.0) == [False, False, True]
    assert book.is_ejected(FE1, 3.0)
    assert book.is_ejected(FE1, 12.9)
    assert not book.is_ejected(FE1, 13.0)
    assert not book.is_ejected(FE2, 3.0)


def test_one_failed_request_changes_nothing_for_the_others():
    # The bug class of kamailio#4911: a failed request spoils what others look up.
    book = HealthBook()
    fail(book, FE1, 1.0, 2.0)
    assert not book.ejected
    assert not book.is_ejected(FE1, 2.0)


def test_a_success_between_failures_starts_the_count_again():
    book = HealthBook()
    fail(book, FE1, 1.0, 2.0)
    book.record_success(FE1, 2.5)
    assert fail(book, FE1, 3.0, 4.0) == [False, False]
    assert not book.suspects.keys() - {FE1}


def test_a_lost_connection_with_many_requests_on_it_is_one_failure():
    book = HealthBook()
    assert not any(fail(book, FE1, *[5.0] * 100))
    assert book.health(FE1, 5.0).failures == 1


def test_after_its_ejection_a_single_failure_ejects_again_for_longer():
    book = HealthBook()
    fail(book, FE1, 1.0, 2.0, 3.0)
    assert fail(book, FE1, 14.0) == [True]
    assert book.is_ejected(FE1, 33.9)
    assert not book.is_ejected(FE1, 34.0)


def test_an_ejection_lasts_five_minutes_at_most():
    book = HealthBook()
    now = 0.0
    for _ in range(60):
        now += 1000.0
        book.record_failure(FE1, "refused", now)
    assert book.ejected_until(FE1) == now + 300.0


def test_late_failures_do_not_prolong_an_ejection():
    book = HealthBook()
    fail(book, FE1, 1.0, 2.0, 3.0)
    assert fail(book, FE1, 3.5, 4.0) == [False, False]
    assert book.ejected_until(FE1) == 13.0


def test_a_success_ends_the_ejection_and_forgets_how_often():
    book = HealthBook()
    fail(book, FE1, 1.0, 2.0, 3.0)
    book.record_success(FE1, 5.0)
    assert not book.is_ejected(FE1, 5.0)
    assert not book.ejected and not book.suspects
    fail(book, FE1, 6.0, 7.0, 8.0)
    assert book.ejected_until(FE1) == 18.0


def test_a_success_of_a_front_end_nobody_blames_leaves_no_trace():
    book = HealthBook()
    book.record_success(FE1, 1.0)
    fail(book, FE2, 1.0)
    book.record_success(FE1, 2.0)
    assert book.known() == [FE2]


def test_health_tells_state_since_and_reason():
    book = HealthBook()
    assert book.health(FE1, 0.0).state == "healthy"
    fail(book, FE1, 1.0)
    assert book.health(FE1, 1.0)[:3] == ("suspect", 1.0, "refused")
    fail(book, FE1, 2.0, 3.0)
    assert book.health(FE1, 4.0)[:6] == ("ejected", 3.0, "refused", 3, 1, 13.0)
    assert book.health(FE1, 20.0)[:3] == ("suspect", 13.0, "refused")
    book.record_success(FE1, 21.0)
    assert book.health(FE1, 22.0)[:3] == ("healthy", 21.0, "answered")


def test_the_last_twenty_transitions_are_kept():
    book = HealthBook()
    for n in range(50):
        fail(book, FE1, float(n))
        book.record_success(FE1, n + 0.5)
    transitions = book.health(FE1, 99.0).transitions
    assert len(transitions) == HISTORY
    assert transitions[-1].at == 49.5


def test_the_book_does_not_grow_with_addresses_that_come_and_go():
    book = HealthBook()
    for n in range(MAX_KNOWN + 50):
        key = ("udp", f"192.0.2.{n}", 5060, "")
        fail(book, key, 1.0, 2.0, 3.0)
    assert len(book.known()) == MAX_KNOWN
    assert len(book.suspects) == len(book.ejected) == MAX_KNOWN


def test_an_ejection_is_prolonged_without_counting_again():
    book = HealthBook()
    fail(book, FE1, 1.0, 2.0, 3.0)
    book.prolong(FE1, "refused", 30.0, 10.0)
    book.prolong(FE1, "refused", 20.0, 11.0)
    assert book.is_ejected(FE1, 29.9) and not book.is_ejected(FE1, 30.0)
    assert book.health(FE1, 29.0)[:6] == ("ejected", 3.0, "refused", 3, 1, 30.0)
    book.prolong(FE1, "timeout", 50.0, 35.0)
    assert book.health(FE1, 36.0)[:3] == ("ejected", 35.0, "timeout")
    assert fail(book, FE1, 51.0) == [True]
    assert book.ejected_until(FE1) == 71.0


def test_nobody_is_ejected_by_prolonging():
    book = HealthBook()
    fail(book, FE1, 1.0)
    book.prolong(FE1, "refused", 30.0, 2.0)
    book.prolong(FE2, "refused", 30.0, 2.0)
    assert not book.ejected and not book.is_ejected(FE1, 3.0)


def test_an_ejection_that_is_ended_leaves_the_front_end_on_trial():
    book, sibling, news = HealthBook(), HealthBook(), []
    book.on_change = news.append
    fail(book, FE1, 1.0, 2.0, 3.0)
    book.end_ejection(FE1, "answers", 5.0)
    book.end_ejection(FE1, "answers", 6.0)
    for each in news:
        sibling.take_over(each)
    assert len(news) == 2
    for one in (book, sibling):
        assert not one.is_ejected(FE1, 5.0)
        assert one.health(FE1, 6.0)[:3] == ("suspect", 5.0, "answers")
        assert fail(one, FE1, 7.0) == [True]
        assert one.ejected_until(FE1) == 27.0


def test_silence_ejects_at_once():
    book = HealthBook()
    assert book.record_failure(FE1, "timeout", 1.0, is_silent=True)
    assert book.is_ejected(FE1, 10.9) and not book.is_ejected(FE1, 11.0)
    assert book.health(FE1, 2.0).reason == "silent"
    assert book.record_failure(FE1, "timeout", 12.0, is_silent=True)
    assert book.is_ejected(FE1, 31.9) and not book.is_ejected(FE1, 32.0)


def test_a_doubt_lasts_until_somebody_is_answered():
    book = HealthBook()
    book.doubt(FE1, 5.0)
    book.doubt(FE1, 6.0)
    assert book.silent_for(FE1, 7.5) == 2.5
    assert book.silent_for(FE2, 7.5) == 0.0
    assert not book.suspects and book.health(FE1, 7.5).state == "healthy"
    book.heard(FE1)
    assert book.silent_for(FE1, 8.0) == 0.0
    book.doubt(FE1, 9.0)
    book.record_success(FE1, 9.5)
    assert not book.doubts


def test_what_strangers_name_drives_no_front_end_of_ours_out():
    book = HealthBook()
    book.is_ours = lambda key: key == FE1
    fail(book, FE1, 1.0, 2.0, 3.0)
    book.doubt(FE1, 3.0)
    for n in range(MAX_KNOWN + 50):
        key = ("udp", f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 5060, "")
        book.record_failure(key, "timeout", 4.0, is_silent=True)
        book.doubt(key, 4.0)
    assert len(book.known()) == len(book.doubts) == MAX_KNOWN
    assert book.is_ejected(FE1, 5.0)
    assert book.silent_for(FE1, 5.0) == 2.0


def test_where_all_are_ours_the_oldest_goes():
    book = HealthBook()
    book.is_ours = lambda key: True
    for n in range(MAX_KNOWN + 1):
        fail(book, ("udp", f"10.0.{n >> 8}.{n & 255}", 5060, ""), 1.0)
    assert len(book.known()) == MAX_KNOWN
    assert ("udp", "10.0.0.0", 5060, "") not in book.known()


def test_doubts_are_bounded():
    book = HealthBook()
    for n in range(MAX_KNOWN + 10):
        book.doubt(("udp", "192.0.2.1", n, ""), 1.0)
    assert len(book.doubts) <= MAX_KNOWN


def test_one_tries_and_the_others_see_it_ejected():
    book, told = HealthBook(), []
    book.on_change = told.append
    fail(book, FE1, 1.0, 2.0, 3.0)
    book.try_out(FE1, 5.0)  # not over yet: nothing to try
    assert len(told) == 1 and not book.is_ejected(FE1, 13.0)
    book.try_out(FE1, 14.0)
    assert book.is_ejected(FE1, 14.0) and book.is_ejected(FE1, 16.9)
    assert not book.is_ejected(FE1, 17.0), "it came to nothing: the next one tries"
    sibling = HealthBook()
    for news in told:
        sibling.take_over(news)
    assert sibling.is_ejected(FE1, 16.9) and not sibling.is_ejected(FE1, 17.0)
    book.record_success(FE1, 15.0)
    sibling.take_over(told[-1])
    assert not sibling.is_ejected(FE1, 15.0)


def test_a_sibling_learns_of_silence_as_such():
    book, sibling = HealthBook(), HealthBook()
    book.on_change = sibling.take_over
    book.record_failure(FE1, "timeout", 1.0, is_silent=True)
    assert sibling.suspects[FE1].is_silent
    assert sibling.is_ejected(FE1, 10.9)


A = FrontEnd("tls", "192.0.2.1", 5061, "fe1", "a.test")
B = FrontEnd("tls", "192.0.2.1", 5061, "fe1", "B.test")


def test_the_wrong_name_of_one_pool_does_not_eject_the_address_for_another():
    book = HealthBook()
    for at in (1.0, 2.0, 3.0):
        book.failed(A, "tls", at)
    assert book.is_out(A, 3.0) and not book.is_out(B, 3.0)
    assert book.state_of(A, 3.0).state == "ejected"
    assert book.state_of(B, 3.0).state == "healthy"
    book.succeeded(B, 4.0)
    assert book.is_out(A, 4.0)


def test_a_status_is_of_one_pool_and_what_nobody_answers_is_of_all():
    book = HealthBook()
    for at in (1.0, 2.0, 3.0):
        book.failed(B, "503", at)
    assert book.is_out(B, 3.0) and not book.is_out(A, 3.0)
    for at in (4.0, 5.0, 6.0):
        book.failed(A, "refused", at)
    assert book.is_out(A, 6.0) and book.state_of(B, 6.0).state == "ejected"
    assert book.out_until(A) == 16.0 and book.was_ejected(B)
    book.succeeded(A, 7.0)
    assert not book.is_out(A, 7.0) and book.is_out(B, 7.0)


def test_a_display_has_the_changes_of_both_in_their_order():
    book = HealthBook()
    book.failed(A, "refused", 1.0)
    book.failed(A, "tls", 2.0)
    book.failed(A, "refused", 3.0)
    told = book.state_of(A, 4.0)
    assert [(x.at, x.reason) for x in told.transitions] == [
        *((1.0, "refused"), (2.0, "tls"), (3.0, "refused"))
    ]
    assert told.state == "suspect"


def test_one_call_at_a_time_finds_out_whether_it_is_back():
    book = HealthBook()
    for at in (1.0, 2.0, 3.0):
        book.failed(A, "tls", at)
    assert not book.is_out(A, 14.0)
    book.try_front_end(A, 14.0)
    assert book.is_out(A, 14.5) and not book.is_out(B, 14.5)
