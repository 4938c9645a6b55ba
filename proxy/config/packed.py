"""A checked configuration as JSON: how a supervisor hands it to its workers."""

from pathlib import Path
from typing import Any

import msgspec

from proxy.config.model import Config


def pack(config: Config) -> Any:
    """Every value of a checked configuration, and where it came from."""
    return msgspec.to_builtins(config, enc_hook=str)


def unpack(packed: Any) -> Config:
    """The reverse."""
    return msgspec.convert(packed, Config, dec_hook=_path)


def _path(kind: type, value: Any) -> Any:
    """The one type that msgspec does not know."""
    return Path(value) if kind is Path else value
