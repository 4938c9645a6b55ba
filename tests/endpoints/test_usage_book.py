"""The book is emptied when it is taken, and notes a user of a day once."""

from proxy.endpoints.usage_book import PoolBook
from tests.endpoints.test_pool_usage import DAY_ONE, KEY, POOL, call


def test_what_was_taken_is_not_taken_twice_and_users_not_noted_again():
    book = PoolBook()
    for _ in range(3):
        book.count(call(), "alice@contoso.test", DAY_ONE, 1)
    (row,), (user,) = book.take()
    assert (row.calls, row.cutover, user.days) == (3, 1, (20_000,))
    book.count(call(), "alice@contoso.test", DAY_ONE, 2)
    (row,), users = book.take()
    assert (row.key, users) == ((KEY, POOL, 20_000, 2), [])
    assert book.take() == ([], [])
