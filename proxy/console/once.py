"""Links that sign in once, for whoever started the console.  Pure: time is an argument.

The secret stands behind ``#`` in the link, and no browser sends that part: the page
takes it from there and posts it (decision 136).  It begins like a token, so the gate
refuses it in an address.  We keep its hash, in memory.  It is good once, for minutes,
and from this machine alone.
"""

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from proxy.admin.access.tokens import PREFIX
from proxy.store.access import Access

LASTS: Final = 600.0
"""Seconds."""
MOST: Final = 16
ONCE: Final = f"{PREFIX}once_"


@dataclass(frozen=True, slots=True)
class _Link:
    access: Access
    ends_at: float


class Links:
    """The links of one console that nobody has used yet."""

    def __init__(self) -> None:
        self._links: OrderedDict[str, _Link] = OrderedDict()

    def make(self, access: Access, now: float) -> str:
        """The secret of a link that signs in as ``access``."""
        secret = ONCE + secrets.token_urlsafe(32)
        self._links[_key(secret)] = _Link(access, now + LASTS)
        while len(self._links) > MOST:
            self._links.popitem(last=False)
        return secret

    def use(self, secret: str, now: float) -> Access | None:
        """Whom a secret signs in, this once; None when it is unknown or too old."""
        found = self._links.pop(_key(secret), None)
        return found.access if found is not None and now < found.ends_at else None


def _key(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
