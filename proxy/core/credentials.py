"""Who may register: a trusted network, a client certificate, or a password.

The arithmetic of digest authentication is ``proxy/sip/digest.py``.  Nobody may by
default: without users and trusted networks every REGISTER is refused.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

from proxy.core.settings import RegistrarSettings
from proxy.core.validation import Refusal
from proxy.sip.digest import Credentials, NonceBox, challenge, parse_credentials
from proxy.sip.flow import Flow
from proxy.sip.message import Request
from proxy.sip.uri import SipUri

_HOSTS_KEPT: Final = 10_000
_NOBODY: Final = "0" * 64  # hashed for unknown users, so that time tells nothing

Users = Mapping[str, Mapping[str, str]]
"""Digest user name → algorithm → HA1 in hexadecimal."""


class Gate:
    """Decides about one REGISTER at a time; ``users`` is swapped when it changes."""

    __slots__ = ("_hosts", "_realm", "nonces", "settings", "users")

    def __init__(self, settings: RegistrarSettings, nonces: NonceBox) -> None:
        self.settings = settings
        self.nonces = nonces
        self.users: Users = {}
        self._realm = settings.realm.encode()
        self._hosts: dict[str, bool] = {}

    def check(
        self, request: Request, flow: Flow, aor: SipUri, wall: float
    ) -> Refusal | None:
        """None when ``request`` may change the bindings of ``aor``.

        ``wall`` is seconds since the epoch.  Raises MalformedMessage for credentials
        that cannot be read.
        """
        if self._is_trusted(flow.host) or _is_certified(flow, aor):
            return None
        credentials = self._credentials(request)
        if credentials is None:
            return self._challenge(wall)
        ha1 = self.users.get(credentials.user, {}).get(credentials.algorithm)
        is_right = credentials.matches(ha1 or _NOBODY, request.method)
        if ha1 is None or not is_right:
            return self._challenge(wall)
        freshness = self.nonces.use(credentials.nonce, credentials.count, wall)
        if freshness != "good":
            return self._challenge(wall, stale=freshness == "stale")
        if not self._is_owner(credentials.user, aor):
            return Refusal(403, f"{aor.key} is not yours")
        return None

    def _is_trusted(self, host: str) -> bool:
        known = self._hosts.get(host)
        if known is None:
            address = ip_address(host.partition("%")[0])
            known = any(address in n for n in self.settings.trusted_networks)
            if len(self._hosts) >= _HOSTS_KEPT:
                self._hosts.clear()
            self._hosts[host] = known
        return known

    def _credentials(self, request: Request) -> Credentials | None:
        """The credentials for our realm, of a kind that we offered."""
        for value in request.values("authorization"):
            credentials = parse_credentials(value)
            if credentials is None or credentials.realm != self._realm:
                continue
            if (
                credentials.algorithm in self.settings.algorithms
                and credentials.qop == b"auth"
                and credentials.cnonce
                and credentials.count
            ):
                return credentials
        return None

    def _challenge(self, wall: float, stale: bool = False) -> Refusal:
        """One line for each algorithm, the best first (RFC 8760 section 2.4)."""
        nonce = self.nonces.make(wall)
        realm = self.settings.realm
        lines = (challenge(realm, a, nonce, stale) for a in self.settings.algorithms)
        return Refusal(401, "", tuple(lines))

    def _is_owner(self, user: str, aor: SipUri) -> bool:
        name = user.lower()
        return aor.key == (name if "@" in name else f"{name}@{self.settings.domain}")


def _is_certified(flow: Flow, aor: SipUri) -> bool:
    """A verified client certificate speaks for its users, and for its whole domains.

    All its names count: which of them comes first means nothing (RFC 5922 section 7.1).
    """
    return aor.key in flow.peer_users or aor.host in flow.peer_names
