"""A checked configuration as JSON, and the process that reads a file and prints it.

It goes from that process to the service (``reader.py``), and from a supervisor to its
workers.
"""

import gc
import json
import os
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args, get_origin

from proxy import __version__
from proxy.config.model import Config
from proxy.config.problems import ConfigError
from proxy.config.section import Section


def pack(config: Config) -> Any:
    """All of a checked configuration as what JSON knows."""
    return {**asdict(config), "path": str(config.path)}


def unpack(packed: Any) -> Config:
    """The reverse."""
    config: Config = _unpacked(Config, packed)
    return config


def _unpacked(kind: Any, value: Any) -> Any:
    if get_origin(kind) is list:
        return [_unpacked(get_args(kind)[0], item) for item in value]
    if isinstance(kind, type) and issubclass(kind, Section):
        return kind(**{x.name: _unpacked(x.type, value[x.name]) for x in fields(kind)})
    return Path(value) if kind is Path else value


def main() -> None:
    """Read the file named on the line, print what ``reader.py`` wants to know."""
    # All this lives for a moment, and somebody waits: a start, a reload.
    gc.disable()
    # Looking for plug-ins of pydantic's takes 20 ms, and none has a say here.
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    from proxy.config.file import load_config

    answer: dict[str, Any] = {"version": __version__}
    try:
        answer["config"] = pack(load_config(Path(sys.argv[1])))
    except ConfigError as error:
        answer["problems"] = [asdict(problem) for problem in error.problems]
    print(json.dumps(answer), flush=True)
    os._exit(0)  # taking everything apart is of no use to anybody
