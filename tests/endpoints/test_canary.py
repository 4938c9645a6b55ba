"""Which pool a user goes to while a canary runs: the same one, every time."""

from dataclasses import replace

from proxy.endpoints.canary import bucket_of, pool_for
from proxy.endpoints.model import Canary, Endpoint

ENDPOINT = Endpoint("sip:chat@b.test", "chat@b.test", "old.test")
USERS = [f"user{n}@b.test" for n in range(1_000)]


def at_new(percent: int, *pilots: str) -> set[str]:
    """The users who go to the new pool."""
    canary = Canary("new.test", percent, frozenset(pilots))
    endpoint = replace(ENDPOINT, canary=canary)
    found = {user: pool_for(endpoint, user) for user in USERS}
    assert set(found.values()) <= {"old.test", "new.test"}
    return {user for user, pool in found.items() if pool == "new.test"}


def test_without_a_canary_everybody_goes_to_the_pool() -> None:
    assert {pool_for(ENDPOINT, user) for user in USERS} == {"old.test"}


def test_about_so_many_percent_go_and_those_of_fewer_are_among_them() -> None:
    few, many = at_new(10), at_new(50)
    assert 70 <= len(few) <= 130 and 440 <= len(many) <= 560
    assert few < many
    assert at_new(0) == set() and at_new(100) == set(USERS)


def test_pilots_go_whatever_their_number_is() -> None:
    assert at_new(0, USERS[3], "nobody@b.test") == {USERS[3]}


def test_a_user_has_the_same_number_on_every_machine() -> None:
    assert bucket_of("alice@contoso.com") == 90
    assert {bucket_of(user) for user in USERS} == set(range(100))
