"""How many lines may be followed at once, by one and by all."""

import pytest

from proxy.admin.control import ControlError
from proxy.console.watchers import Watchers
from proxy.store.access import Access

ANNA, BERT, CARLA = (Access("token", name, "viewer", "") for name in "abc")


def test_each_has_two_and_all_have_three():
    watchers = Watchers(each=2, most=3)
    watchers.begin(ANNA)
    watchers.begin(ANNA)
    with pytest.raises(ControlError, match='the token "a" follows 2 lines already'):
        watchers.begin(ANNA)
    watchers.begin(BERT)
    for each in (BERT, CARLA):
        with pytest.raises(ControlError, match="3 lines are followed"):
            watchers.begin(each)
    watchers.end(ANNA)
    watchers.begin(CARLA)


def test_a_person_is_not_the_token_of_the_same_name():
    watchers = Watchers(each=1, most=3)
    watchers.begin(ANNA)
    watchers.begin(Access("person", "a", "viewer", ""))
    with pytest.raises(ControlError, match='the person "a"'):
        watchers.begin(Access("person", "a", "admin", "anew"))


def test_a_refusal_counts_nothing_and_nothing_is_left_in_the_end():
    watchers = Watchers(each=1, most=1)
    for _ in range(3):
        watchers.begin(ANNA)
        with pytest.raises(ControlError):
            watchers.begin(BERT)
        watchers.end(ANNA)
    assert not watchers._by_access
