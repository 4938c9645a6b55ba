"""Who may have a connection: counts per source and in total, at the moment of accept.

What a connection may then cost is bounded in ``stream.py``; how many requests it may
send is the core's business.
"""

from ipaddress import ip_address

from proxy.net.settings import DEFAULT_ADMISSION, AdmissionSettings


class Admission:
    """Counts accepted connections; trusted networks are let in uncounted."""

    __slots__ = ("_by_source", "_settings", "refused", "total")

    def __init__(self, settings: AdmissionSettings = DEFAULT_ADMISSION) -> None:
        self._settings = settings
        self._by_source: dict[str, int] = {}
        self.total = 0
        self.refused = 0

    def admit(self, host: str) -> bool:
        """Count a connection from ``host``; False when it must be closed at once."""
        if self.is_trusted(host):
            return True
        held = self._by_source.get(host, 0)
        if self.total >= self._settings.total or held >= self._settings.per_source:
            self.refused += 1
            return False
        self._by_source[host] = held + 1
        self.total += 1
        return True

    def release(self, host: str) -> None:
        """An admitted connection from ``host`` has ended."""
        if self.is_trusted(host):
            return
        self.total -= 1
        held = self._by_source.pop(host) - 1
        if held:
            self._by_source[host] = held

    def is_trusted(self, host: str) -> bool:
        """Whether ``host`` (numeric) is in a trusted network."""
        if not self._settings.trusted:
            return False
        address = ip_address(host)
        return any(address in network for network in self._settings.trusted)
