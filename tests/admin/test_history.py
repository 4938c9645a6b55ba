"""The history in words, and what it takes back."""

import pytest

from proxy.admin import control
from proxy.admin.control import ControlError
from proxy.admin.history import history, undo, undo_batch
from proxy.endpoints.changes import EndpointFields
from proxy.location.binding import Binding, BindingChange

CHAT = "chat@contoso.test"


async def changed(operator) -> None:
    """Created, changed and removed: numbers 1, 2 and 3."""
    await control.new_endpoint(operator, CHAT, EndpointFields("old.test"))
    await control.set_endpoint(operator, CHAT, EndpointFields("new.test"))
    await control.remove_endpoint(operator, CHAT)


async def test_each_change_has_its_words_the_newest_first(operator) -> None:
    await changed(operator)
    lines = await history(operator, CHAT.upper())
    assert [line.row.number for line in lines] == [3, 2, 1]
    assert lines[0].text == "remove (it led to new.test)"
    assert "old.test" in lines[1].text and "new.test" in lines[1].text
    assert lines[2].text == "create -> old.test"
    assert len(await history(operator, limit=2)) == 2


async def test_of_what_nobody_ever_changed_there_is_none(operator) -> None:
    with pytest.raises(ControlError, match="nothing was ever changed") as caught:
        await history(operator, "nobody@contoso.test")
    assert caught.value.kind == "missing"


async def test_an_undo_is_a_change_with_its_number_in_the_audit(operator) -> None:
    await changed(operator)
    await undo(operator, 3, what_if=True)
    assert await control.get_endpoints(operator) == []
    await undo(operator, 3)
    (view,) = await control.get_endpoints(operator)
    assert view.endpoint.pool_fqdn == "new.test"
    (line, *_) = await history(operator)
    assert line.row.verb == "endpoint.undo 3"


async def test_what_came_over_somebody_registered_asks_for_force(operator) -> None:
    await changed(operator)
    made = Binding(CHAT, b"k", b"sip:x", b"<sip:x>", 1.0, 900.0, 1.0, b"c", 1)
    await operator.store.save_bindings([BindingChange(CHAT, b"k", made)])
    with pytest.raises(ControlError) as caught:
        await undo(operator, 3)
    assert caught.value.kind == "conflict"
    await undo(operator, 3, force=True)
    (line, *_) = await history(operator)
    assert line.row.verb == "endpoint.undo 3 --force"


async def test_a_number_that_is_none_says_where_they_are(operator) -> None:
    for attempt in (undo(operator, 9), undo_batch(operator, 9)):
        with pytest.raises(ControlError, match="endpoint history") as caught:
            await attempt
        assert caught.value.kind == "missing"
