"""Users and bindings: made, changed and taken away, over a real store."""

import pytest

from proxy.admin.control import ControlError
from proxy.admin.registrar import (
    get_bindings,
    new_user,
    remove_bindings,
    remove_user,
    set_user,
)
from proxy.location.binding import Binding, BindingChange
from proxy.sip.digest import ha1_of
from tests.config.loading import load

PASSWORD = "correct horse"


@pytest.fixture
def config(tmp_path):
    return load(tmp_path, '[registrar]\nalgorithms = ["SHA-256", "MD5"]\n')


async def bind(operator, *aors: str, q: float = 1.0, key: bytes = b"k") -> None:
    changes = [
        BindingChange(
            aor, key, Binding(aor, key, b"sip:x", b"<sip:x>", q, 900.0, 1.0, b"c", 1)
        )
        for aor in aors
    ]
    await operator.store.save_bindings(changes)


async def test_only_hashes_are_kept_one_for_each_algorithm(operator, config) -> None:
    await new_user(operator, config, " sip:alice ", PASSWORD)
    (user,) = await operator.store.users()
    assert (user.name, user.realm) == ("alice", "contoso.test")
    assert user.ha1 == {
        name: ha1_of(name, "alice", "contoso.test", PASSWORD)
        for name in ("SHA-256", "MD5")
    }


async def test_what_if_writes_nothing(operator, config) -> None:
    await new_user(operator, config, "alice", PASSWORD, what_if=True)
    assert await operator.store.users() == []
    await new_user(operator, config, "alice", PASSWORD)
    (before,) = await operator.store.users()
    await set_user(operator, config, "alice", PASSWORD + "!", what_if=True)
    await remove_user(operator, "alice", what_if=True)
    assert await operator.store.users() == [before]


async def test_a_user_is_given_once_and_another_password_changes_it(operator, config):
    await new_user(operator, config, "alice", PASSWORD)
    with pytest.raises(ControlError, match="waypost user set alice") as caught:
        await new_user(operator, config, "alice", PASSWORD)
    assert caught.value.kind == "conflict"
    (before,) = await operator.store.users()
    await set_user(operator, config, "alice", PASSWORD + "!")
    (after,) = await operator.store.users()
    assert after.ha1 != before.ha1
    await remove_user(operator, "sip:alice")
    assert await operator.store.users() == []


@pytest.mark.parametrize(
    ("name", "password", "says"),
    [
        ("alice@elsewhere.test", PASSWORD, "not a domain we answer for"),
        ("alice", "short", "at least 8 characters"),
    ],
)
async def test_a_user_that_cannot_be_is_refused(operator, config, name, password, says):
    with pytest.raises(ControlError, match=says):
        await new_user(operator, config, name, password)


async def test_who_is_not_there_is_missing(operator, config) -> None:
    for attempt in (
        set_user(operator, config, "x", PASSWORD),
        remove_user(operator, "x"),
        remove_bindings(operator, "x@contoso.test"),
    ):
        with pytest.raises(ControlError) as caught:
            await attempt
        assert caught.value.kind == "missing"
    with pytest.raises(ControlError):
        await get_bindings(operator, "nonsense")


async def test_bindings_come_by_address_and_best_first(operator) -> None:
    await bind(operator, "b@contoso.test", "a@contoso.test", q=0.1)
    await bind(operator, "a@contoso.test", q=0.9, key=b"k2")
    found = [(x.aor[0], x.q) for x in await get_bindings(operator)]
    assert found == [("a", 0.9), ("a", 0.1), ("b", 0.1)]
    assert len(await get_bindings(operator, "sip:A@contoso.test")) == 2


async def test_all_bindings_of_an_address_go_and_no_others(operator) -> None:
    await bind(operator, "a@contoso.test", "b@contoso.test")
    assert len(await remove_bindings(operator, "a@contoso.test", what_if=True)) == 1
    assert len(await get_bindings(operator)) == 2
    await remove_bindings(operator, "a@contoso.test")
    assert [x.aor for x in await get_bindings(operator)] == ["b@contoso.test"]
