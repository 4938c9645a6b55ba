"""Which keys changed, and what the core is told of it."""

import asyncio
import os
from pathlib import Path

from proxy.config import load_config
from proxy.config.model import Config
from proxy.config.section import keys_of
from proxy.core import events
from proxy.core.settings import CoreSettings
from proxy.server.host.notify import Notifier
from proxy.server.reload import (
    LIVE,
    ReloadSignal,
    changes,
    with_live_values,
)
from proxy.server.state import ServiceState
from proxy.server.tasks import Tasks
from tests.support.configuration import SMALL
from tests.support.playbook import Playbook


def load(folder: Path, more: str = "", listen: str = "5060") -> Config:
    path = folder / "waypost.toml"
    path.write_text(SMALL.replace("5060", listen) + more)
    return load_config(path, {})


def test_an_unchanged_file_changes_nothing(tmp_path):
    assert changes(load(tmp_path), load(tmp_path)) == set()


def test_changes_are_named_by_section_and_key(tmp_path):
    fresh = load(tmp_path, '[log]\nlevel = "debug"\n[attempts]\ntotal = 20.0\n')
    assert changes(load(tmp_path), fresh) == {"log.level", "attempts.total"}


def test_a_changed_listener_is_one_change(tmp_path):
    assert changes(load(tmp_path), load(tmp_path, listen="5070")) == {"listen"}


def test_every_live_key_exists():
    for name in LIVE:
        section, key = name.split(".")
        model = keys_of(Config)[section].type
        assert key in keys_of(model)


def test_the_core_gets_the_live_values_and_keeps_the_others(tmp_path):
    settings = CoreSettings(domains=frozenset({"old.test"}), keys=(b"key",))
    text = "[attempts]\ntotal = 20.0\nfailover_codes = [500]\n"
    fresh = load(tmp_path, text + "[limits]\ntransactions = 7\n")
    changed = with_live_values(settings, fresh)
    assert changed.attempts.total == 20.0
    assert changed.attempts.failover_codes == {500}
    assert changed.max_transactions == 7
    assert (changed.domains, changed.keys) == (settings.domains, settings.keys)


def test_who_connects_hears_of_a_new_timeout(tmp_path):
    core = Playbook().core
    fresh = load(tmp_path, "[attempts]\nconnect = 1.25\n")
    core.handle(events.SettingsChanged(with_live_values(core.settings, fresh)), 1.0)
    assert core.forwarder.attempts.connect == 1.25
    assert core.way_back.timeout == core.first_hop.affinity.timeout == 1.25


async def test_signals_that_come_while_the_file_is_read_have_it_read_once_more(
    tmp_path,
):
    path = tmp_path / "waypost.toml"
    os.mkfifo(path)  # its readers wait for what we write
    taken: asyncio.Queue[float] = asyncio.Queue()

    async def take(fresh: Config) -> None:
        taken.put_nowait(fresh.attempts.total)

    tasks, state = Tasks(), ServiceState()
    reload = ReloadSignal(path, take, tasks, Notifier(), state)
    async with asyncio.timeout(30):
        reload()
        with await asyncio.to_thread(path.open, "w") as file:
            reload()
            reload()
            file.write(SMALL + "[attempts]\ntotal = 20.0\n")
        assert await taken.get() == 20.0
        text = SMALL + "[attempts]\ntotal = 30.0\n"
        await asyncio.to_thread(path.write_text, text)
        assert await taken.get() == 30.0
        while len(tasks):
            await asyncio.sleep(0)
    assert taken.empty()


async def test_a_file_that_is_refused_does_not_end_reloads(tmp_path):
    path = tmp_path / "waypost.toml"
    path.write_text("nonsense")
    taken: list[Config] = []

    async def take(fresh: Config) -> None:
        taken.append(fresh)

    tasks = Tasks()
    reload = ReloadSignal(path, take, tasks, Notifier(), ServiceState())
    for text, expected in (("nonsense", 0), (SMALL, 1)):
        path.write_text(text)
        reload()
        while len(tasks):
            await asyncio.sleep(0)
        assert len(taken) == expected
