"""An operator over a store of its own, at second 100 of the epoch."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.admin.control import Operator
from proxy.endpoints.changes import Rules
from proxy.store import Actor, open_store


@pytest.fixture
async def operator(tmp_path: Path) -> AsyncIterator[Operator]:
    store = await open_store(f"sqlite:///{tmp_path}/waypost.db")
    rules = Rules(frozenset({"contoso.test"}))
    yield Operator(
        store,
        rules,
        Actor("alice", "test"),
        clock=lambda: 100.0,
        uptime=lambda: ("machine", 7.0),
    )
    await store.close()
