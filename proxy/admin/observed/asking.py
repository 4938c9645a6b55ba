"""Asks the running service, through its admin listener."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from proxy.admin.listener import client
from proxy.config import Config

Words = Mapping[str, str]
"""A question, as it stands behind the question mark."""


def ask(config: Config, path: str, words: Words, method: str = "GET") -> Any:
    """The answer; raises AdminError."""
    return client.call_json(config, method, f"{path}?{urlencode(words)}")
