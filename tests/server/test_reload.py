"""Which keys changed, and what the core is told of it."""

import asyncio
import os
from pathlib import Path

from proxy.config import load_config
from proxy.config.model import Config
from proxy.config.pool import PoolSection
from proxy.config.section import keys_of
from proxy.core import events
from proxy.core.settings import CoreSettings
from proxy.server.host.notify import Notifier
from proxy.server.reload import (
    LIVE,
    ReloadSignal,
    changes,
    needs_restart,
    reloaded,
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
        model = PoolSection if section == "pool" else keys_of(Config)[section].type
        assert key in keys_of(model)


POOL = '[[pool]]\nfqdn = "pcpool.contoso.test"\n'


def test_the_statuses_of_a_pool_change_without_a_restart(tmp_path):
    plain = load(tmp_path)
    fresh = load(tmp_path, POOL + "failover_codes = [500]\nprobe_codes = [486]\n")
    assert changes(plain, fresh) == {"pool.failover_codes", "pool.probe_codes"}
    assert needs_restart(plain, fresh) == []
    changed = with_live_values(CoreSettings(), fresh).attempts
    assert changed.codes_of("PCPOOL.contoso.test") == {500}
    assert changed.probe_codes_of("pcpool.contoso.test") == {486}
    # And back: whoever takes the statuses out again has the general ones.
    kept = reloaded(plain, fresh)
    assert changes(kept, plain) == changes(plain, fresh)
    assert needs_restart(reloaded(kept, plain), plain) == []
    back = with_live_values(CoreSettings(), plain).attempts
    assert back.codes_of("pcpool.contoso.test") == {503}


def test_the_certificate_of_a_pool_waits_for_a_restart_and_its_statuses_do_not(
    tmp_path,
):
    (tmp_path / "ca.pem").touch()
    old = load(tmp_path, POOL + "probe_codes = [503]\n")
    fresh = load(tmp_path, POOL + 'failover_codes = [500]\nca = "ca.pem"\n')
    assert needs_restart(old, fresh) == ["pool"]
    (kept,) = reloaded(old, fresh).pool
    assert (kept.ca, kept.failover_codes, kept.probe_codes) == (None, [500], None)
    # The next reload names what still waits, and nothing else.
    assert changes(reloaded(old, fresh), fresh) == {"pool"}


def test_a_pool_that_is_no_longer_named_keeps_its_certificate_until_a_restart(tmp_path):
    (tmp_path / "ca.pem").touch()
    old = load(tmp_path, POOL + 'failover_codes = [500]\nca = "ca.pem"\n')
    fresh = load(tmp_path)
    assert needs_restart(old, fresh) == ["pool"]
    (kept,) = reloaded(old, fresh).pool
    assert (kept.ca, kept.failover_codes) == ("ca.pem", None)


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


CHAT = '[chat_probe]\nevery = "5m"\nfrom = "sip:robot@contoso.test"\n'
KEPT = "[learned]\nttl_days = 2.0\n[usage]\nkeep_days = 30\n"


def test_what_is_read_each_time_it_is_used_needs_no_restart(tmp_path):
    plain, fresh = load(tmp_path), load(tmp_path, CHAT + KEPT)
    assert changes(plain, fresh) == {
        *("chat_probe.every", "chat_probe.from"),
        *("learned.ttl_days", "usage.keep_days"),
    }
    assert needs_restart(plain, fresh) == []
    kept = reloaded(plain, fresh)
    assert kept.chat_probe == fresh.chat_probe
    assert kept.chat_probe.interval == 300.0
    assert (kept.learned.ttl_days, kept.usage.keep_days) == (2.0, 30)
    assert changes(kept, fresh) == set() == changes(reloaded(kept, plain), plain)


def test_names_that_the_ledger_may_keep_wait_for_a_restart(tmp_path):
    plain = load(tmp_path)
    fresh = load(tmp_path, "[usage]\nledger = false\nkeep_days = 30\n")
    assert needs_restart(plain, fresh) == ["usage.ledger"]
    kept = reloaded(plain, fresh).usage
    assert (kept.ledger, kept.keep_days) == (True, 30)


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
