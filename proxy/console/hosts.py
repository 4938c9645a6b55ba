"""Which names in Host are ours.  Pure.

A stranger may change the address of his page's name to ours while a browser shows the
page (DNS rebinding).  Its scripts then ask us, and only Host tells them from our own
pages, so the gate looks at Host before anything else.
"""

import re
import socket
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from proxy.config import Config

_HOST: Final = re.compile(
    r"(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9._\-]{1,255}))(?::\d{1,5})?\Z"
)
LOCAL: Final = "localhost"


class OwnHosts:
    """The names by which callers may ask for us."""

    def __init__(self, config: Config) -> None:
        names = [urlsplit(each).hostname for each in config.console.origins]
        names += [config.advertised_host, socket.gethostname(), socket.getfqdn()]
        self._names = {each.strip("[]").lower() for each in names if each}
        self.origins = frozenset(config.console.origins)

    def knows(self, host: str, local: str) -> bool:
        """Whether a Host is ours on a connection that ends at the address ``local``."""
        name = host_name(host)
        if name is None:
            return False
        if name in self._names:
            return True
        if name == LOCAL:
            return _is_loopback(local)
        return _same_address(name, local)


def host_name(host: str) -> str | None:
    """The name or address of a Host header; None for what is none."""
    found = _HOST.match(host)
    if found is None:
        return None
    return (found[1] or found[2]).lower().removesuffix(".")


def is_same_origin(origin: str, host: str, scheme: str, ours: Iterable[str]) -> bool:
    """Whether a browser's Origin is the address that it asked."""
    return origin.lower() in (f"{scheme}://{host.lower()}", *ours)


def _same_address(name: str, local: str) -> bool:
    try:
        return ip_address(name) == ip_address(local.partition("%")[0])
    except ValueError:
        return False


def _is_loopback(local: str) -> bool:
    try:
        return ip_address(local.partition("%")[0]).is_loopback
    except ValueError:
        return False
