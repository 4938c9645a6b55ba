"""Sections that are not about messages: ``[admin]``, ``[health]`` and ``[server]``."""

import os
from ipaddress import ip_address
from typing import Any, Final, Literal, Self

from proxy.config.section import Section, aside, section, setting
from proxy.config.values import HostPort, host_name, parse_host_port, parse_route

MIN_TOKEN = 16
MAX_WORKERS: Final = 64


def _listen(value: str) -> str:
    return str(parse_host_port(value)) if value else value


def _workers(value: object) -> object:
    # In Python True is a number too.
    count = value if isinstance(value, int) and value is not True else 0
    if value != "auto" and not 1 <= count <= MAX_WORKERS:
        raise ValueError(
            f"{value} is not a number of processes: write workers = 2, at most "
            f'{MAX_WORKERS}, or "auto" for one per core'
        )
    return value


def _node_address(value: str) -> str:
    if value:
        uri = parse_route(value)
        try:
            ip_address(uri.host.strip("[]"))
        except ValueError:
            raise ValueError(
                f"{uri.host} is a name, and the other nodes must reach this one "
                'machine: write its address, "sip:10.1.2.3:5060;transport=tcp"'
            ) from None
    return value


def _hosts(value: list[str]) -> list[str]:
    return [host_name(each, "waypost.example") for each in value]


def _nodes(value: list[str]) -> list[str]:
    return [str(parse_host_port(each)) for each in value]


@section
class AdminSection(Section):
    """The HTTP listener for health, metrics and status; an empty address: none.

    ``is_chosen`` is True when the address was written, False for the default.
    ``nodes`` are the admin listeners of all nodes of this store, our own too or not.
    """

    listen: str = setting(default="127.0.0.1:8060", check=_listen)
    token: str = setting(default="", example="a long random text", repr=False)
    token_file: str = setting(default="", example="/etc/waypost/admin.token")
    hosts: list[str] = setting(default=[], example=["waypost.example"], check=_hosts)
    nodes: list[str] = setting(default=[], example=["10.0.0.6:8060"], check=_nodes)
    is_chosen: bool = aside(default=False)

    @classmethod
    def from_keys(cls, keys: dict[str, Any]) -> Self:
        """As for every section; the address is chosen when it was written."""
        return cls(**keys, is_chosen="listen" in keys)

    def __post_init__(self) -> None:
        if self.token and len(self.token) < MIN_TOKEN:
            raise ValueError(
                f"the token has {len(self.token)} characters: write at least "
                f"{MIN_TOKEN} random ones"
            )
        if self.nodes and not (self.token or self.token_file):
            raise ValueError(
                "the nodes must all take one token, and without a word each makes its "
                'own: write token = "..." or token_file = "/etc/waypost/admin.token"'
            )
        address = self.address
        if address is None or ip_address(address.host).is_loopback:
            return
        if not self.token and not self.token_file:
            raise ValueError(
                f"{self.listen} can be reached from other machines, so it needs a "
                'token: write token = "..." or token_file = "/etc/waypost/admin.token",'
                ' or listen = "127.0.0.1:8060"'
            )

    @property
    def address(self) -> HostPort | None:
        """Where to listen; None: nowhere."""
        return parse_host_port(self.listen) if self.listen else None


@section
class HealthSection(Section):
    """How often a front end that calls found wanting is probed; 0: never."""

    probe: float = setting(default=10.0, ge=0, le=60)


@section
class ServerSection(Section):
    """The processes: how many, where the other nodes find them, how they end."""

    drain_seconds: float = setting(default=30.0, ge=0, le=86_400)
    workers: int | Literal["auto"] = setting(default=1, example=2, check_raw=_workers)
    worker_udp_port: int = setting(default=0, ge=0, le=65_000)
    node_address: str = setting(
        default="", example="sip:10.1.2.3:5060;transport=tcp", check=_node_address
    )

    @property
    def worker_count(self) -> int:
        """How many processes serve: as written, or one per core that we may use."""
        if isinstance(self.workers, int):
            return self.workers
        return max(1, min(len(os.sched_getaffinity(0)), MAX_WORKERS))
