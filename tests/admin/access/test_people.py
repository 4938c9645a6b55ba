"""People who sign in with a name and a password; only proofs are kept."""

import pytest

from proxy.admin.access import people
from proxy.admin.access.tokens import token_holder
from proxy.admin.control import ControlError

PASSWORD = "correct horse battery"


async def test_a_person_is_not_let_in_by_a_proof_or_a_token(operator):
    await people.new_person(operator, "carla", "admin", PASSWORD)
    known = await operator.store.accesses()
    assert people.check_password(known, "carla", PASSWORD) == known[0]
    for wrong in ("", PASSWORD[:-1], known[0].proof):
        assert people.check_password(known, "carla", wrong) is None
    assert people.check_password(known, "nobody", PASSWORD) is None
    assert token_holder(known, known[0].proof) is None


async def test_a_short_password_is_refused(operator):
    with pytest.raises(ControlError, match="12 to 1024"):
        await people.new_person(operator, "carla", "admin", "short")


async def test_a_person_gets_another_password_or_role(operator):
    await people.new_person(operator, "carla", "viewer", PASSWORD)
    await people.set_person(operator, "carla", role="admin")
    await people.set_person(operator, "carla", password="another long one")
    known = await operator.store.accesses()
    assert people.check_password(known, "carla", PASSWORD) is None
    found = people.check_password(known, "carla", "another long one")
    assert found is not None
    assert found.role == "admin"
