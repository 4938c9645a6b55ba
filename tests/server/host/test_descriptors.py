"""How many connections strangers get within the files that we may open."""

import resource

import pytest
from structlog.testing import capture_logs

from proxy.server.host import descriptors
from proxy.server.host.descriptors import places_for_strangers, raise_limit


@pytest.fixture
def limit(monkeypatch):
    """Has this process have so many files open at most."""
    held = {"soft": 1024, "hard": 1024}

    def set_to(soft: int, hard: int | None = None) -> None:
        held.update(soft=soft, hard=soft if hard is None else hard)

    def setrlimit(which: int, values: tuple[int, int]) -> None:
        held["soft"], held["hard"] = values

    monkeypatch.setattr(
        resource, "getrlimit", lambda which: (held["soft"], held["hard"])
    )
    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    return set_to


def test_the_limit_is_raised_as_far_as_the_system_allows(limit) -> None:
    limit(1024, 20_000)
    assert raise_limit() == 20_000 == resource.getrlimit(0)[0]


def test_where_it_cannot_be_raised_it_stays(limit, monkeypatch) -> None:
    limit(1024, 20_000)

    def refuses(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(resource, "setrlimit", refuses)
    assert raise_limit() == 1024


@pytest.mark.parametrize(
    ("files", "wanted", "given"),
    [
        (20_000, (10_000, 4_000), (10_000, 4_000)),
        (resource.RLIM_INFINITY, (10_000, 4_000), (10_000, 4_000)),
        (1024, (10_000, 4_000), (416, 208)),
        (1024, (100, 4_000), (100, 208)),
        (100, (10_000, 4_000), (32, 16)),  # a few are always left
    ],
)
def test_strangers_get_what_is_left_for_them(limit, files, wanted, given) -> None:
    limit(files)
    with capture_logs() as logs:
        assert places_for_strangers(*wanted) == given
    assert [x["event"] for x in logs] == ["limits.lowered"] * (given != wanted)


def test_store_and_friends_have_files_that_strangers_never_get(limit) -> None:
    limit(1024)
    assert sum(places_for_strangers(10_000, 10_000)) <= 1024 - descriptors._LEFT
