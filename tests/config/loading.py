"""Configurations of tests: loaded, or what is said of them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.config import Config, ConfigError, load_config
from tests.support.configuration import SMALL


def load_text(folder: Path, text: str, environ: Mapping[str, str] | None = None):
    """What is read of a whole text."""
    path = folder / "waypost.toml"
    path.write_text(text)
    return load_config(path, environ or {})


def problems(
    folder: Path, text: str, environ: Mapping[str, str] | None = None
) -> list[str]:
    """Everything that is said of a whole text, without the folder."""
    with pytest.raises(ConfigError) as caught:
        load_text(folder, text, environ)
    return [str(each).replace(str(folder), "") for each in caught.value.problems]


def load(folder: Path, more: str) -> Config:
    """What is read of a small valid configuration with something added to it."""
    return load_text(folder, SMALL + more)


def problem(folder: Path, more: str) -> str:
    """What is said of that."""
    with pytest.raises(ConfigError) as caught:
        load(folder, more)
    return str(caught.value)
