"""Asks the running service, and where several nodes share a store each of them.

``[admin] nodes`` names their admin listeners.  A node that does not answer hides
nothing of the others, and is told beside what they say.
"""

import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlencode

from proxy.admin.listener import client
from proxy.config import Config
from proxy.config.values import HostPort, parse_host_port

Words = Mapping[str, str]
"""A question, as it stands behind the question mark."""
AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Told:
    """What one node said, or (``problem``) why it said nothing.

    ``node`` is the address of its admin listener, empty where there is one node only;
    ``refusal`` that of the error.
    """

    node: str
    value: Any = None
    problem: str = ""
    refusal: str = ""


Silent = Callable[[Sequence[Told]], None]
"""Hears of the nodes that did not answer."""


def ask_each(
    config: Config, path: str, words: Words, method: str = "GET"
) -> list[Told]:
    """What each node says, ours first; raises AdminError when none answers."""
    found = ask_all(config, path, words, method)
    if all(each.problem for each in found):
        error = client.AdminError("; ".join(each.problem for each in found))
        error.refusal = next((x.refusal for x in found if x.refusal), "")
        raise error
    return found


def ask_all(config: Config, path: str, words: Words, method: str = "GET") -> list[Told]:
    """The same where it is an answer that none answers."""
    query = f"?{urlencode(words)}" if words else ""
    others = _others(config)

    def ask(at: HostPort | None) -> Told:
        own = config.admin.address if others else ""  # one alone needs no name
        name = str(own if at is None else at)
        try:
            return Told(name, client.call_json(config, method, path + query, at))
        except client.AdminError as error:
            return Told(name, problem=str(error), refusal=error.refusal)
        except ValueError:
            return Told(name, problem=f"what answers at {name} is no Waypost")

    if not others:
        return [ask(None)]
    places: list[HostPort | None] = [None, *others]
    with ThreadPoolExecutor(min(AT_ONCE, len(places))) as threads:
        return list(threads.map(ask, places))


def _others(config: Config) -> list[HostPort]:
    """The listeners of all nodes but this one, which may be named among them."""
    own = config.admin.address
    named = [parse_host_port(each) for each in dict.fromkeys(config.admin.nodes)]
    return [each for each in named if own is None or not _is_ours(each, own)]


def _is_ours(named: HostPort, own: HostPort) -> bool:
    """Whether a node that is named is the one of this machine."""
    if named.port != own.port:
        return False
    if named.host == own.host:
        return True
    if not ip_address(own.host).is_unspecified:
        return False
    family = socket.AF_INET6 if ":" in named.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((named.host, 0))
        except OSError:
            return False
    return True
