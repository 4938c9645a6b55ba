"""Sections about the process rather than about SIP: ``[admin]`` and ``[server]``."""

from ipaddress import ip_address
from typing import Self

from pydantic import Field, field_validator, model_validator

from proxy.config.section import Section
from proxy.config.values import HostPort, parse_host_port

MIN_TOKEN = 16


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


class ServerSection(Section):
    """How the process ends."""

    drain_seconds: float = Field(default=30.0, ge=0, le=86_400)
