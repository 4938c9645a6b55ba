"""Sections that are not about messages: ``[admin]``, ``[health]`` and ``[server]``."""

import os
from ipaddress import ip_address
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from proxy.config.section import Section
from proxy.config.values import HostPort, parse_host_port, parse_route

MIN_TOKEN = 16
MAX_WORKERS: Final = 64


class AdminSection(Section):
    """The HTTP listener for health, metrics and status; an empty address: none."""

    listen: str = Field(default="127.0.0.1:8060", examples=["127.0.0.1:8060"])
    token: str = Field(default="", examples=["a long random text"], repr=False)
    token_file: str = Field(default="", examples=["/etc/waypost/admin.token"])

    @field_validator("listen")
    @classmethod
    def _check_listen(cls, value: str) -> str:
        return str(parse_host_port(value)) if value else value

    @model_validator(mode="after")
    def _check_token(self) -> Self:
        if self.token and len(self.token) < MIN_TOKEN:
            raise ValueError(
                f"the token has {len(self.token)} characters: write at least "
                f"{MIN_TOKEN} random ones"
            )
        address = self.address
        if address is None or ip_address(address.host).is_loopback:
            return self
        if not self.token and not self.token_file:
            raise ValueError(
                f"{self.listen} can be reached from other machines, so it needs a "
                'token: write token = "..." or token_file = "/etc/waypost/admin.token",'
                ' or listen = "127.0.0.1:8060"'
            )
        return self

    @property
    def address(self) -> HostPort | None:
        """Where to listen; None: nowhere."""
        return parse_host_port(self.listen) if self.listen else None

    @property
    def is_chosen(self) -> bool:
        """True when somebody wrote the address, False for the default."""
        return "listen" in self.model_fields_set


class HealthSection(Section):
    """How often a front end that calls found wanting is probed; 0: never."""

    probe: float = Field(default=10.0, ge=0, le=60)


class ServerSection(Section):
    """The processes: how many, where the other nodes find them, how they end."""

    drain_seconds: float = Field(default=30.0, ge=0, le=86_400)
    workers: int | Literal["auto"] = Field(default=1, examples=[2])
    worker_udp_port: int = Field(default=0, ge=0, le=65_000)
    node_address: str = Field(default="", examples=["sip:10.1.2.3:5060;transport=tcp"])

    @field_validator("workers", mode="before")
    @classmethod
    def _check_workers(cls, value: object) -> object:
        is_count = isinstance(value, int) and 1 <= value <= MAX_WORKERS
        if value != "auto" and not is_count:
            raise ValueError(
                f"{value} is no number of processes: write workers = 2, at most "
                f'{MAX_WORKERS}, or "auto" for one per core'
            )
        return value

    @field_validator("node_address")
    @classmethod
    def _check_node_address(cls, value: str) -> str:
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

    @property
    def worker_count(self) -> int:
        """How many processes serve: as written, or one per core that we may use."""
        if isinstance(self.workers, int):
            return self.workers
        return max(1, min(len(os.sched_getaffinity(0)), MAX_WORKERS))
