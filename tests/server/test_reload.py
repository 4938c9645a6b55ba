"""Which keys changed, and what the core is told of it."""

from pathlib import Path

from proxy.config import load_config
from proxy.config.model import Config
from proxy.config.section import keys_of
from proxy.core.settings import CoreSettings
from proxy.server.reload import LIVE, changes, with_live_values

SMALL = """
[proxy]
domains = ["contoso.test"]
[[listen]]
transport = "udp"
address = "127.0.0.5:5060"
"""


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
