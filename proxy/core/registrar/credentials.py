"""Who may register: a trusted network, a client certificate, or a password.

``proxy/sip/digest.py`` has the arithmetic of digest authentication.  By default nobody
may: without users and trusted networks every REGISTER is refused.
"""

from collections.abc import Mapping
from math import ceil
from typing import Final

from proxy.core.networks import Networks, source_of
from proxy.core.settings import RegistrarSettings
from proxy.core.strangers.guesses import BURST, Guesses
from proxy.core.strangers.suspects import Suspects
from proxy.core.validation import Refusal
from proxy.sip.digest import Credentials, NonceBox, challenge, parse_credentials
from proxy.sip.flow import Flow
from proxy.sip.message import Request
from proxy.sip.uri import SipUri

CHALLENGE, WRONG_PASSWORD, HELD_BACK = "challenge", "wrong password", "held back"
# The HA1 of unknown users: they cost the same time, so nobody learns who exists.
_NOBODY: Final = "0" * 64

Users = Mapping[str, Mapping[str, str]]
"""Digest user name → algorithm → HA1 in hexadecimal."""


class Gate:
    """Decides about one REGISTER at a time; a change of users replaces ``users``."""

    __slots__ = (
        "_realm",
        "_trusted",
        "guesses",
        "nonces",
        "settings",
        "suspects",
        "users",
    )

    def __init__(
        self, settings: RegistrarSettings, nonces: NonceBox, suspects: Suspects
    ) -> None:
        self.settings = settings
        self.nonces = nonces
        self.guesses = Guesses()
        self.suspects = suspects
        self.users: Users = {}
        self._realm = settings.realm.encode()
        self._trusted = Networks(settings.trusted_networks)

    def check(
        self, request: Request, flow: Flow, aor: SipUri, wall: float, now: float
    ) -> Refusal | None:
        """None when ``request`` may change the bindings of ``aor``.

        ``wall`` is seconds since the epoch, ``now`` the core's clock.  Raises
        MalformedMessage for credentials that cannot be read.  The password is looked at
        last, and not more often than ``guesses`` allows (decision 36).
        """
        if flow.host in self._trusted or _is_certified(flow, aor):
            return None
        credentials = self._credentials(request)
        source = source_of(flow.host)
        if credentials is None:
            return self._challenge(wall, source)
        nonce, count, user = credentials.nonce, credentials.count, credentials.user
        freshness = self.nonces.look(nonce, count, wall, source)
        if freshness != "good":
            return self._challenge(wall, source, stale=freshness == "stale")
        exists = user in self.users
        wait = self.guesses.wait(user, exists, flow, now)
        if wait:
            self.guesses.held += 1
            return _too_often(wait)
        ha1 = self.users.get(user, {}).get(credentials.algorithm)
        is_right = credentials.matches(ha1 or _NOBODY, request.method)
        if ha1 is None or not is_right:
            self._wrong(user, exists, flow, now)
            refusal = self._challenge(wall, source)
            return refusal._replace(cause=WRONG_PASSWORD)
        freshness = self.nonces.use(nonce, count, wall, source)
        if freshness != "good":
            return self._challenge(wall, source, stale=True)
        self.guesses.succeeded(user, flow)
        if not self._is_owner(user, aor):
            return Refusal(403, f"{aor.key} is not yours")
        return None

    def _wrong(self, user: str, exists: bool, flow: Flow, now: float) -> None:
        """Count a wrong password, and report a source that tries many."""
        if self.guesses.failed(user, exists, flow, now) >= BURST - 0.5:
            self.suspects.note("guessing", source_of(flow.host), user, now)

    def _credentials(self, request: Request) -> Credentials | None:
        """The credentials for our realm, with an algorithm that we offered."""
        for value in request.values("authorization"):
            credentials = parse_credentials(value)
            if credentials is None or credentials.realm != self._realm:
                continue
            if (
                credentials.algorithm in self.settings.algorithms
                # RFC 7616 section 3.4: a client that is offered a qop must use it.
                # Without one there is no count, and anybody could replay the answer.
                and credentials.qop == b"auth"
                and credentials.cnonce
                and credentials.count
            ):
                return credentials
        return None

    def _challenge(self, wall: float, source: str, stale: bool = False) -> Refusal:
        """One line for each algorithm, the best first (RFC 8760 section 2.4)."""
        nonce = self.nonces.make(wall, source)
        realm = self.settings.realm
        lines = (challenge(realm, a, nonce, stale) for a in self.settings.algorithms)
        return Refusal(401, "", tuple(lines), cause=CHALLENGE)

    def _is_owner(self, user: str, aor: SipUri) -> bool:
        return aor.key == self.aor_of(user)

    def aor_of(self, user: str) -> str:
        """The one address that a user may register, ``user@host`` in lower case."""
        name = user.lower()
        return name if "@" in name else f"{name}@{self.settings.domain}"


def _too_often(wait: float) -> Refusal:
    """The refusal of a password that was not looked at.  It is no 401, at which a
    client would ask its user for another password: this one may be right (decision
    36)."""
    line = b"Retry-After: %d" % ceil(wait)
    return Refusal(503, "Too Many Wrong Passwords", (line,), cause=HELD_BACK)


def _is_certified(flow: Flow, aor: SipUri) -> bool:
    """Whether a verified client certificate names the user, or the whole domain.

    All its names count, in whatever order (RFC 5922 section 7.1).
    """
    return aor.key in flow.peer_users or aor.host in flow.peer_names
