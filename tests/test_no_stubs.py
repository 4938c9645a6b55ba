"""Every method in `proxy/` does something: what is only declared is a Protocol."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "proxy").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_method_is_left_to_a_subclass(path: Path) -> None:
    assert "NotImplemented" not in path.read_text(), "compose, or use a Protocol"
