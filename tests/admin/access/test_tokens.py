"""Tokens and people: made, shown once, found, revoked; only proofs are kept."""

import pytest

from proxy.admin.access import people, tokens
from proxy.admin.access.tokens import token_holder
from proxy.admin.control import ControlError


async def test_a_token_is_known_by_its_hash_alone(operator, tmp_path):
    made = await tokens.new_token(operator, "ci", "operator", days=1)
    assert made.token.startswith("waypost_")
    assert len(made.token) > 40
    found = token_holder(await operator.store.accesses(), made.token)
    assert found is not None
    assert (found.name, found.role, found.ends_at) == ("ci", "operator", 86_500.0)
    assert (found.created_at, found.created_by) == (100.0, "alice (test)")
    for file in tmp_path.iterdir():
        assert made.token.encode() not in file.read_bytes()


async def test_no_other_token_is_anybodys(operator):
    made = await tokens.new_token(operator, "ci", "operator")
    known = await operator.store.accesses()
    for strange in ("", made.token[:-1], made.token + "x", made.token.upper()):
        assert token_holder(known, strange) is None
    assert token_holder(known, known[0].proof) is None


async def test_a_name_is_given_once(operator):
    await tokens.new_token(operator, "ci", "viewer")
    with pytest.raises(ControlError, match="waypost token revoke ci") as refusal:
        await tokens.new_token(operator, "ci", "admin")
    assert refusal.value.kind == "conflict"
    await tokens.revoke_token(operator, "ci")
    await tokens.new_token(operator, "ci", "admin")


@pytest.mark.parametrize(
    "name", ["", "a b", "a/b", "-x", "x" * 65, "é", "a\nb", "<script>", "..", "a."]
)
async def test_a_name_that_cannot_stand_everywhere_is_refused(operator, name):
    with pytest.raises(ControlError, match="cannot be a name"):
        await tokens.new_token(operator, name, "viewer")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"domains": ["elsewhere.test"]}, "not a domain we answer for"),
        ({"endpoints": ["x@elsewhere.test"]}, "not a domain we answer for"),
        ({"endpoints": ["nonsense"]}, 'has no "@"'),
        ({"days": 0}, "cannot end in 0 days"),
        ({"days": -1}, "cannot end"),
        ({"days": float("nan")}, "cannot end"),
        ({"days": 1e9}, "cannot end"),
    ],
)
async def test_a_scope_or_an_end_that_cannot_be_is_refused(operator, more, words):
    with pytest.raises(ControlError, match=words):
        await tokens.new_token(operator, "ci", "viewer", **more)
    assert await operator.store.accesses() == []


async def test_a_role_that_is_none_is_refused(operator):
    with pytest.raises(ControlError, match="viewer, operator, admin"):
        await tokens.new_token(operator, "ci", "root")


async def test_who_is_not_there_cannot_be_removed_or_changed(operator):
    for attempt in (
        tokens.revoke_token(operator, "x"),
        people.remove_person(operator, "x"),
        people.set_person(operator, "x", role="admin"),
    ):
        with pytest.raises(ControlError) as refusal:
            await attempt
        assert refusal.value.kind == "missing"
