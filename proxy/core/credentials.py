"""Who may register: a trusted network, a client certificate, or a password.

The arithmetic of digest authentication is ``proxy/sip/digest.py``.  Nobody may by
default: without users and trusted networks every REGISTER is refused.
"""

from collections.abc import Mapping
from typing import Final

from proxy.core.networks import Networks
from proxy.core.settings import RegistrarSettings
from proxy.core.validation import Refusal
from proxy.sip.digest import Credentials, NonceBox, challenge, parse_credentials
from proxy.sip.flow import Flow
from proxy.sip.message import Request
from proxy.sip.uri import SipUri

_NOBODY: Final = "0" * 64  # hashed for unknown users, so that time tells nothing

Users = Mapping[str, Mapping[str, str]]
"""Digest user name → algorithm → HA1 in hexadecimal."""


class Gate:
    """Decides about one REGISTER at a time; ``users`` is swapped when it changes."""

    __slots__ = ("_realm", "_trusted", "nonces", "settings", "users")

    def __init__(self, settings: RegistrarSettings, nonces: NonceBox) -> None:
        self.settings = settings
        self.nonces = nonces
        self.users: Users = {}
        self._realm = settings.realm.encode()
        self._trusted = Networks(settings.trusted_networks)

    def check(
        self, request: Request, flow: Flow, aor: SipUri, wall: float
    ) -> Refusal | None:
        """None when ``request`` may change the bindings of ``aor``.

        ``wall`` is seconds since the epoch.  Raises MalformedMessage for credentials
        that cannot be read.
        """
        if flow.host in self._trusted or _is_certified(flow, aor):
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
