"""A live trace: everything of the calls that fit a filter, for a stated time."""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from proxy.recorder.chunk import Taped
from proxy.recorder.line import aor_of_line, dialled, fits, header_of

NAMES: Final = ("from", "call_id", "endpoint", "source", "pool")
MOST_LIVE: Final = 8
"""Live traces at one time."""
MOST_HALF: Final = 10_000
"""Calls that fit a filter in part and may fit the rest later."""


class FilterError(ValueError):
    """The text says what to write."""


class Filter:
    """What a call must fit, in every part; made from the words of a question."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self.wanted = {name: words[name] for name in NAMES if words.get(name)}
        self.network: IPv4Network | IPv6Network | None = None
        self.port = 0
        source = self.wanted.get("source", "")
        if source:
            self._read_source(source)

    def __bool__(self) -> bool:
        return bool(self.wanted)

    def _read_source(self, text: str) -> None:
        host, _, port = text.rpartition(":")
        if host and port.isdigit() and (host.count(":") == 0 or host.startswith("[")):
            text, self.port = host.strip("[]"), int(port)
        try:
            self.network = ip_network(text, strict=False)
        except ValueError:
            raise FilterError(
                f'"{text}" is no address: write 10.1.2.3, 10.1.2.3:5060 or 10.1.0.0/16'
            ) from None

    def fit_by(self, taped: Taped, pools: Mapping[str, str]) -> set[str]:
        """The parts of the filter that this message fits."""
        found = set()
        for name, wanted in self.wanted.items():
            if name == "from":
                line = header_of(taped.data, b"from", b"f")
                is_fit = fits(wanted, aor_of_line(b"From: " + line))
            elif name == "call_id":
                is_fit = taped.call_id == wanted.encode("utf-8", "surrogateescape")
            elif name == "endpoint":
                # As it was dialled: what we send has the pool's host (decision 2).
                is_fit = taped.is_in and fits(wanted, _dialled_in(taped.data))
            elif name == "pool":
                is_fit = pools.get(taped.ends.host, "") == wanted.lower()
            else:
                is_fit = taped.is_in and self.is_from(taped.ends.host, taped.ends.port)
            if is_fit:
                found.add(name)
        return found

    def is_from(self, host: str, port: int) -> bool:
        """Whether this is the source that is wanted."""
        assert self.network is not None
        try:
            is_inside = ip_address(host.partition("%")[0]) in self.network
        except ValueError:
            return False
        return is_inside and self.port in (0, port)


def _dialled_in(data: bytes) -> str:
    words = data.partition(b"\r\n")[0].split(b" ")
    if len(words) != 3 or words[0].startswith(b"SIP/"):
        return ""
    return dialled(words[1])


class Live:
    """One live trace; ``until`` is the loop's time.  What it remembers is bounded."""

    def __init__(self, name: str, wanted: Filter, until: float) -> None:
        self.name = name
        self.wanted = wanted
        self.until = until
        self.calls: dict[bytes, None] = {}
        self._half: dict[bytes, set[str]] = {}

    def takes(self, taped: Taped, pools: Mapping[str, str]) -> bool:
        """Whether this message makes a call fit that did not before.

        Different messages of the call may fit different parts of the filter.
        """
        call_id = taped.call_id
        if not call_id or call_id in self.calls:
            return False
        known = self.wanted.fit_by(taped, pools)
        if not known:
            return False
        known |= self._half.get(call_id, set())
        if known == self.wanted.wanted.keys():
            self._half.pop(call_id, None)
            if len(self.calls) >= MOST_HALF:
                del self.calls[next(iter(self.calls))]
            self.calls[call_id] = None
            return True
        if call_id not in self._half and len(self._half) >= MOST_HALF:
            del self._half[next(iter(self._half))]
        self._half[call_id] = known
        return False
