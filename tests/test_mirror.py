"""The tests mirror the tree: each room has its folder, each decision its file."""

from pathlib import Path

import pytest

from tests.support.mirror import ELSEWHERE, MOST_ELSEWHERE, VALUES, WIRES

TESTS = Path(__file__).parent
PROXY = TESTS.parent / "proxy"
MODULES = sorted(
    path.relative_to(PROXY)
    for path in PROXY.rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
)
WITHOUT = VALUES | WIRES
NAMES = {str(path.with_suffix("")) for path in MODULES}
ROOMS = sorted({path.parent for path in MODULES if path.parent.name})


def own_file(module: Path) -> Path:
    return TESTS / module.parent / f"test_{module.name}"


def room_of(name: str) -> str:
    """The line of ``ELSEWHERE`` that speaks for this module; "" for none."""
    if name in ELSEWHERE:
        return name
    rooms = [x for x in ELSEWHERE if x.endswith("/") and name.startswith(x)]
    return max(rooms, key=len, default="")


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_that_decides_something_has_a_test_file_of_its_name(
    module: Path,
) -> None:
    name = str(module.with_suffix(""))
    if own_file(module).exists() or name in WITHOUT or room_of(name):
        return
    pytest.fail(
        f"write tests/{own_file(module).relative_to(TESTS)}, or say in "
        f"tests/support/mirror.py which file judges {name}"
    )


@pytest.mark.parametrize("room", ROOMS, ids=str)
def test_a_room_has_its_folder(room: Path) -> None:
    assert (TESTS / room).is_dir() or f"{room}/" in ELSEWHERE or room_of(f"{room}/x")


@pytest.mark.parametrize("name", sorted({*WITHOUT, *ELSEWHERE}))
def test_the_lists_only_shrink(name: str) -> None:
    assert [name in each for each in (VALUES, WIRES, ELSEWHERE)].count(True) == 1
    if name.endswith("/"):
        assert any(each.startswith(name) for each in NAMES), "there is no such room"
        return
    assert name in NAMES, "there is no such module any more"
    assert not own_file(Path(f"{name}.py")).exists(), "it has a file: take it out"


def test_few_are_judged_elsewhere() -> None:
    assert len(ELSEWHERE) <= MOST_ELSEWHERE, "give a module a file of its name"


@pytest.mark.parametrize("judge", sorted(set(ELSEWHERE.values())))
def test_who_judges_is_there(judge: str) -> None:
    found = TESTS / judge
    if found.suffix:
        assert found.is_file()
    else:
        assert any(found.rglob("test_*.py"))
