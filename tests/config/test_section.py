"""What every section of the configuration has in common."""

from dataclasses import FrozenInstanceError

import pytest

from proxy.config import AttemptsSection
from tests.config.loading import load_text, problems
from tests.support.configuration import SMALL


def test_what_a_section_knows_about_itself_is_no_key(tmp_path):
    found = problems(tmp_path, f'path = "x"\n{SMALL}[admin]\nis_chosen = true\n')
    assert found[0].startswith("/waypost.toml:1: path: unknown section")
    assert found[1].startswith("/waypost.toml:9: admin.is_chosen: unknown key")
    assert len(found) == 2
    assert load_text(tmp_path, SMALL).path == tmp_path / "waypost.toml"


def test_a_section_made_by_hand_is_checked_as_a_whole_and_cannot_be_changed():
    with pytest.raises(ValueError, match=r"write total = 12\.0"):
        AttemptsSection(total=1.0)
    with pytest.raises(FrozenInstanceError):
        AttemptsSection().total = 1.0
