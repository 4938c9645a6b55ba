"""Rows are copied section by section, and what arrives is compared."""

import pytest

from proxy.admin.control import ControlError
from proxy.admin.storage.rows import AT_ONCE, copy_rows
from proxy.store.copying import SECTIONS, Rows, Values, keyed


class End:
    """One end of a copy in memory; `loses` a section's rows when asked to."""

    def __init__(self, loses: str = "") -> None:
        self.rows: dict[str, Rows] = {section: {} for section in SECTIONS}
        self.written: list[tuple[str, int]] = []
        self._loses = loses

    async def read(self, section: str) -> Rows:
        return dict(self.rows[section])

    async def write(self, section: str, rows: list[Values]) -> None:
        self.written.append((section, len(rows)))
        if section != self._loses:
            self.rows[section] |= keyed(section, rows)


def full(users: int = 3, audit: int = AT_ONCE + 1) -> End:
    end = End()
    end.rows["users"] = {(f"u{n}", "realm"): ("x",) for n in range(users)}
    end.rows["audit"] = {(n,): (1.0, "who") for n in range(audit)}
    return end


async def test_every_section_arrives_in_groups() -> None:
    source, target = full(), End()
    said: list[tuple[str, int, int]] = []
    await copy_rows(source, target, lambda *step: said.append(step))
    assert target.rows == source.rows
    assert [x for x in target.written if x[0] == "audit"] == [
        *(("audit", AT_ONCE), ("audit", 1))
    ]
    assert ("audit", AT_ONCE, AT_ONCE + 1) in said


async def test_what_is_one_thing_in_a_redis_is_written_at_once() -> None:
    target = End()
    await copy_rows(full(users=2 * AT_ONCE), target, lambda *step: None)
    assert [x for x in target.written if x[0] == "users"] == [("users", 2 * AT_ONCE)]


async def test_a_section_that_arrives_differently_is_told() -> None:
    with pytest.raises(ControlError, match='"users" did not arrive whole'):
        await copy_rows(full(), End(loses="users"), lambda *step: None)
