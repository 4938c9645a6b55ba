"""A bug, or a dead sibling, while bindings are saved: everybody is answered all the
same, and the next group is saved.  The store is a real file, the core is the real one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.core import commands, events
from proxy.core.siblings.directory import DIRECTORY_BYTES, Siblings
from proxy.net.outbox import Outbox
from proxy.server.carrier import Carrier
from proxy.server.runtime import Runtime
from proxy.server.store_side.binding_writer import GROUP, BindingWriter
from proxy.server.store_side.store_writes import StoreWrites
from proxy.server.tasks import Tasks
from proxy.server.workers.links import SiblingLinks
from proxy.store.sqlite.store import SqliteStore
from tests.support.injection import Calls, broken, can_break, name_of
from tests.support.playbook import DOMAIN
from tests.support.registry import Registry

FOLDERS = ("server", "store", "location")
# What catches, and the functions that the event loop or these call at their end.
SPARED = frozenset(
    {
        *("Carrier.carry_out", "Runtime._undone", "faults.py", "tasks.py", "thread.py"),
        *("BindingWriter._begin", "BindingWriter._close_group"),
        *("BindingWriter._committed", "BindingWriter._save"),
    }
)
USERS = ("alice", "bob", "carol")


class Node(Registry):
    """A registrar with the writer and the store of a service around it.

    It is its own runtime, as far as the writer knows one: a loop, tasks, `step`.
    """

    def __init__(self, store: SqliteStore) -> None:
        super().__init__()
        self.takes_faults = True
        self.loop = asyncio.get_running_loop()
        self.tasks = Tasks()
        self.links: SiblingLinks | None = None
        self.writes = StoreWrites()
        self.carrier = Carrier(self.core, None, print, print, print)
        self.carrier.undone = lambda command: Runtime._undone(self, command)
        self.writer = BindingWriter(store, self)
        self.carrier.on_save = self.writer.add

    def _note(self, line: str) -> None:
        pass

    def step(self, event: events.Event) -> None:
        """As the runtime does."""
        self._handle(event)

    def _carry_out(self, out: list[commands.Command]) -> None:
        super()._carry_out(out)
        saves, self.unsaved = self.unsaved, []
        self.carrier.carry_out(saves)

    async def group(self, call_id: str) -> list[int]:
        """REGISTERs of three users at once; the status that each gets."""
        before = len(self.sent)
        for number, user in enumerate(USERS):
            self.send_register(
                self.contact_of("client"),
                aor=f"sip:{user}@{DOMAIN}",
                call_id=f"{call_id}-{number}",
            )
        for _ in range(400):
            if len(self.sent) - before == len(USERS):
                break
            await asyncio.sleep(0.005)
        return [int(data[8:11]) for _, data in self.sent[before:]]


Work = Callable[[Node], Awaitable[None]]


async def run(directory: Path, work: Work, siblings: int = 0) -> Node:
    """A node, and siblings whose sockets nobody reads any more."""
    store = await SqliteStore.open(directory / f"{len(list(directory.iterdir()))}.db")
    node = Node(store)
    if siblings:
        node.links = dead_siblings(siblings)
    try:
        await work(node)
        assert await node.group("after") == [200] * 3, "the next group is saved"
        assert not node.writer._is_saving and not node.core.registrar._busy
    finally:
        if node.links is not None:
            node.links.close()
        await node.tasks.close()
        await store.close()
    return node


class _Gone:
    """The end of a link whose process has died: writing fails."""

    def send(self, data: bytes) -> bool:
        raise BrokenPipeError

    def close(self) -> None:
        """Closed already."""


def dead_siblings(count: int) -> SiblingLinks:
    """Links to siblings that have all just died."""
    shared = memoryview(bytearray(DIRECTORY_BYTES))
    names = [f"\0waypost-test-nobody-{id(shared)}-{n}" for n in range(count + 1)]
    links = SiblingLinks(
        Siblings(0, count + 1, 1, 1, shared),
        names,
        None,
        None,
        Outbox(asyncio.get_running_loop()),
        None,
    )
    for worker in range(1, count + 1):
        links._frames._links[worker] = _Gone()
    links.close = lambda: None
    return links


async def test_siblings_that_die_while_they_are_told_hold_nobody_up(tmp_path):
    """The set of those that are waited for shrinks while it is walked through."""

    async def work(node: Node) -> None:
        assert await node.group("one") == [200] * 3

    node = await run(tmp_path, work, siblings=3)
    assert node.carrier.faults.count == 0


async def test_one_bad_binding_does_not_spoil_its_group(tmp_path, monkeypatch):
    async def work(node: Node) -> None:
        save = node.writer._store.save_bindings

        async def picky(changes):
            if any(change.aor.startswith("bob@") for change in changes):
                raise ValueError("a binding that nobody can store")
            await save(changes)

        monkeypatch.setattr(node.writer._store, "save_bindings", picky)
        assert sorted(await node.group("one")) == [200, 200, 503]
        monkeypatch.undo()

    await run(tmp_path, work)


async def test_one_that_comes_alone_is_saved_at_once_and_others_share_a_commit(
    tmp_path, monkeypatch
):
    sizes: list[int] = []
    waits: list[float] = []

    async def work(node: Node) -> None:
        save = node.writer._store.save_bindings

        def counted(changes):
            sizes.append(len(changes))
            return save(changes)

        later = node.loop.call_later

        def noted(delay, *more):
            waits.append(delay)
            return later(delay, *more)

        monkeypatch.setattr(node.writer._store, "save_bindings", counted)
        monkeypatch.setattr(node.loop, "call_later", noted)
        node.send_register(node.contact_of("client"), aor=f"sip:alice@{DOMAIN}")
        while len(node.sent) < 1:
            await asyncio.sleep(0)
        assert sizes == [1] and not waits, "no timer"
        node.writer._last_at = node.loop.time() + 60.0  # it came a moment ago
        assert await node.group("soon after") == [200] * 3
        assert sizes == [1, 3] and waits.count(GROUP) == 1
        monkeypatch.undo()

    await run(tmp_path, work)


@pytest.mark.parametrize(("is_future", "least"), [(True, 9), (False, 11)])
async def test_an_exception_at_any_call_of_the_writer_leaves_everybody_answered(
    tmp_path, is_future, least
):
    """Thrown once at each kind of call, and then for the whole of a group.

    SQLite's store gives a future, and needs no task; any other store a coroutine.
    """
    calls = Calls(FOLDERS, SPARED)

    def as_wanted(node: Node) -> None:
        if not is_future:
            save = node.writer._store.save_bindings

            async def waited_for(changes):
                await save(changes)

            node.writer._store.save_bindings = waited_for

    async def watched(node: Node) -> None:
        as_wanted(node)
        with calls.on(0):
            assert await node.group("one") == [200] * 3

    await run(tmp_path, watched)
    targets = [each for each in calls.seen if "run" not in name_of(each[1])]
    assert len(targets) >= least
    for target in targets:
        name = name_of(target[1])
        for context in (Calls(FOLDERS, SPARED, target).on(0), lasting(target[1])):

            async def work(node: Node, context=context, name=name) -> None:
                as_wanted(node)
                with context:
                    answers = await node.group("one")
                assert len(answers) == 3, name
                assert set(answers) <= {200, 500, 503}

            await run(tmp_path, work)


@contextmanager
def lasting(code):
    if can_break(code):
        with broken(code):
            yield
    else:
        yield


@pytest.fixture(autouse=True)
def quiet_log(capsys):
    yield
    capsys.readouterr()
