"""A small valid configuration with something added to it."""

from pathlib import Path

import pytest

from proxy.config import Config, ConfigError, load_config
from tests.support.configuration import SMALL


def load(folder: Path, more: str) -> Config:
    """What is read."""
    path = folder / "waypost.toml"
    path.write_text(SMALL + more)
    return load_config(path, {})


def problem(folder: Path, more: str) -> str:
    """What is said."""
    with pytest.raises(ConfigError) as caught:
        load(folder, more)
    return str(caught.value)
