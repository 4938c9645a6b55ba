"""Memory is kept equal to the store: each piece of news becomes its event."""

from types import SimpleNamespace

from structlog.testing import capture_logs

from proxy.core import events
from proxy.endpoints.table import EndpointTable
from proxy.server.state import ServiceState
from proxy.server.store_side.follow import StoreFollower
from proxy.store import StoreError
from proxy.store.news import News
from tests.server.store_side.world import RuntimeLike, Store

USERS = [SimpleNamespace(name="alice", ha1={"MD5": "x"})]
TABLE = EndpointTable(version=7)


class World(RuntimeLike):
    def __init__(self, *news: News) -> None:
        super().__init__()
        waiting = list(news)
        self.store = Store(
            news=lambda mark: waiting.pop(0),
            users=USERS,
            bindings=[],
            load_table=TABLE,
        )
        self.state = ServiceState()
        self.follower = StoreFollower(self.store, self, self.state, "0")  # type: ignore[arg-type]

    async def look(self) -> list[str]:
        """What was logged."""
        with capture_logs() as logs:
            await self.follower.look()
        return [each["event"] for each in logs]


async def test_nothing_new_is_nothing_to_do_and_the_mark_moves() -> None:
    world = World(News("1", False, False, ()), News("2", False, False, ()))
    for _ in range(2):
        assert await world.look() == []
    assert world.stepped == [] and world.store.calls("news") == [("0",), ("1",)]


async def test_bindings_come_before_users_and_the_table_last() -> None:
    world = World(News("1", True, True, ["change"]))  # type: ignore[list-item]
    assert await world.look() == ["users.changed", "table.changed"]
    changed, users = world.stepped
    assert isinstance(changed, events.BindingsChanged) and changed.changes == ["change"]
    assert isinstance(users, events.UsersChanged)
    assert users.users == {"alice": {"MD5": "x"}} and world.swapped == [TABLE]


async def test_where_the_store_cannot_tell_any_more_everything_is_loaded() -> None:
    world = World(News("1", False, True, None))
    assert await world.look() == ["registrar.loaded"]
    (loaded,) = world.stepped
    assert isinstance(loaded, events.LocationLoaded)


async def test_as_long_as_there_is_more_it_is_asked_for() -> None:
    world = World(News("1", True, False, (), False), News("2", True, False, ()))
    await world.look()
    assert len(world.swapped) == 2 and world.store.calls("news")[-1] == ("1",)


async def test_without_a_registrar_only_the_table_counts() -> None:
    world = World(News("1", True, True, None))
    world.core.registrar = None
    assert await world.look() == ["table.changed"] and world.stepped == []


async def test_a_store_that_is_away_is_told_once_and_so_is_its_return() -> None:
    world = World(News("1", False, False, ()))
    world.store.problem = StoreError("gone")
    assert await world.look() == ["store.unavailable"]
    assert await world.look() == []
    assert world.state.store_problem == "gone"
    world.store.problem = None
    assert await world.look() == ["store.back"]
    assert world.state.store_problem == "" and world.store.calls("news")[-1] == ("0",)
