"""Every sentence that is said about a wrong configuration, word by word."""

from pathlib import Path

import pytest

from tests.config.corpus import RECORDED, Case, cases, said


def recorded() -> dict[str, list[str]]:
    """What was said: the name of a case → its lines."""
    parts = RECORDED.read_text("utf-8").removesuffix("\n").split("\n\n## ")
    return {
        name: lines
        for name, *lines in (part.removeprefix("## ").split("\n") for part in parts)
    }


SAID = recorded()
CASES = {case.name: case for case in cases()}


def test_every_case_is_recorded_and_no_other() -> None:
    assert CASES.keys() == SAID.keys(), "python -m tests.config.corpus writes the file"


@pytest.mark.parametrize("group", sorted({name.split()[0] for name in CASES}))
def test_what_is_said_is_what_was_said(tmp_path: Path, group: str) -> None:
    ours: list[Case] = [x for x in CASES.values() if x.name.split()[0] == group]
    found = {case.name: said(case, tmp_path) for case in ours}
    assert found == {case.name: SAID.get(case.name) for case in ours}
