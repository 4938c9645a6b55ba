"""The section ``[chat_probe]``: how often we play a client's chat start ourselves."""

import re
from typing import Any, Final, Self

from proxy.config.section import Section, section, setting
from proxy.sip.errors import SipError
from proxy.sip.flow import Transport
from proxy.sip.uri import parse_uri

SHORTEST: Final = 1.0
"""Seconds."""
LONGEST: Final = 86_400.0
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}
_TIME: Final = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([smh])")


def _seconds(text: str) -> float:
    found = _TIME.fullmatch(text)
    if text == "0":
        return 0.0
    if found is None:
        raise ValueError(
            f'"{text}" is no time: write every = "60s", "5m" or "1h"; "0s" is never'
        )
    return float(found[1]) * _UNITS[found[2]]


def _every(value: str) -> str:
    seconds = _seconds(value)
    if seconds and not SHORTEST <= seconds <= LONGEST:
        raise ValueError(
            f'"{value}" is out of bounds: write every = "1s" to "24h", or "0s"'
        )
    return value


def _user(value: str) -> str:
    if not value:
        return value
    example = 'write from = "sip:probe@contoso.test"'
    try:
        uri = parse_uri(value.encode())
    except SipError as error:
        raise ValueError(f'"{value}" is not a SIP URI ({error}): {example}') from None
    if uri.scheme != "sip" or not uri.user or uri.parameters or uri.headers:
        raise ValueError(f'"{value}" is not the address of a user: {example}')
    return value


@section
class ChatProbeSection(Section):
    """Off unless ``every`` says how often; ``user`` is the key ``from``.

    Without ``transports`` it is the first of TCP, TLS and UDP that is listened on.
    """

    every: str = setting(default="0s", example="60s", check=_every)
    user: str = setting(
        default="", example="sip:probe@contoso.test", check=_user, key="from"
    )
    transports: list[Transport] = setting(default=[], example=["tcp"])

    @classmethod
    def from_keys(cls, keys: dict[str, Any]) -> Self:
        """As for every section; ``from`` is a word of Python's."""
        return cls(**{"user" if name == "from" else name: keys[name] for name in keys})

    def as_table(self) -> dict[str, Any]:
        """As for every section."""
        transports = list(self.transports)
        return {"every": self.every, "from": self.user, "transports": transports}

    @property
    def interval(self) -> float:
        """Seconds between two rounds; 0: never."""
        return _seconds(self.every)
