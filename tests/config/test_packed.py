"""A supervisor hands its workers every value of the configuration."""

import json
from pathlib import Path

from proxy.config import load_config
from proxy.config.packed import pack, unpack
from tests.support.configuration import SMALL

SHIPPED = Path(__file__).parents[2] / "config" / "waypost.toml"


def test_a_worker_gets_every_value(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    for config in (load_config(path, {}), load_config(SHIPPED)):
        got = unpack(json.loads(json.dumps(pack(config))))
        assert got == config and got.path == config.path
        assert got.admin.is_chosen == config.admin.is_chosen
