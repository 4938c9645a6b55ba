"""Sessions of the pages: who has signed in.  Pure: the time is an argument.

They are kept in memory: a console that is restarted asks everybody to sign in again.
The cookie's value is random and only its hash is kept.  Every change must show a second
secret in a header (CSRF): a browser adds the cookie by itself, also to what the page of
a stranger sends, but it adds no header.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from proxy.store.access import AccessKind

IDLE: Final = 1800.0
LONGEST: Final = 12 * 3600.0
"""Seconds without a use, and seconds in all, after which a session is over."""
MOST: Final = 1000
COOKIE: Final = "waypost_session"
CSRF_HEADER: Final = "X-Waypost-CSRF"


@dataclass(slots=True)
class Session:
    """Somebody who signed in: which access, and until when.

    ``proof`` is that of the access at the time: with another password, or another token
    of the same name, the session is over.
    """

    kind: AccessKind
    name: str
    proof: str
    csrf: str
    began_at: float
    used_at: float


class Sessions:
    """All of one console."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def begin(self, kind: AccessKind, name: str, proof: str, now: float) -> str:
        """The cookie's value for somebody who has just signed in."""
        cookie = secrets.token_urlsafe(32)
        csrf = secrets.token_urlsafe(32)
        self._sessions[_key(cookie)] = Session(kind, name, proof, csrf, now, now)
        while len(self._sessions) > MOST:
            self._sessions.popitem(last=False)
        return cookie

    def find(self, cookie: str, now: float) -> Session | None:
        """The session of a cookie, which this uses; None when it is over."""
        key = _key(cookie)
        found = self._sessions.get(key)
        if found is None:
            return None
        if now - found.used_at > IDLE or now - found.began_at > LONGEST:
            del self._sessions[key]
            return None
        found.used_at = now
        self._sessions.move_to_end(key)
        return found

    def end(self, cookie: str) -> None:
        """Sign out."""
        self._sessions.pop(_key(cookie), None)


def is_csrf(session: Session, shown: str) -> bool:
    """Whether a change comes from a page of ours."""
    return hmac.compare_digest(session.csrf.encode(), shown.encode())


def _key(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
