"""A binding: one contact at which an AOR can be reached until it expires.

RFC 3261 section 10.3, with Path (RFC 3327) and outbound (RFC 5626).  This is only the
value: the registrar decides which contact may be bound, and the router where a request
goes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Any, Final


@dataclass(slots=True, eq=False, repr=False)
class Binding:
    """One contact of an AOR.  It is never changed: a refresh makes a new binding.

    ``aor`` is ``user@host`` in lower case; ``key`` tells the contacts of one AOR apart.
    ``uri`` is the URI to which requests go (``Contact.request_uri``), ``value`` the
    whole Contact value as sent, without ``expires``.  Instants are seconds since the
    epoch; ``registered_at`` is that of the first REGISTER, and a refresh keeps it.
    ``reg_id`` is 0 without one.  ``source`` is where the REGISTER came from, as
    ``udp:192.0.2.1:5060``.  ``path`` has the Path values, one per line.  ``flow`` is
    the flow token of the way back, empty when the REGISTER came from somewhere else
    than the contact.

    Two bindings are equal only when they are one object, because
    ``LocationService.holds`` asks whether this very one is still bound.
    """

    aor: str
    key: bytes
    uri: bytes
    value: bytes
    q: float
    expires_at: float
    registered_at: float
    call_id: bytes
    cseq: int
    instance: bytes = b""
    reg_id: int = 0
    epid: str = ""
    user_agent: str = ""
    source: str = ""
    path: bytes = b""
    flow: bytes = b""

    def __repr__(self) -> str:
        return f"<Binding {self.aor} {self.uri!r}>"

    @property
    def routes(self) -> list[bytes]:
        """The Path values in order: the Route set of a request to this contact."""
        return self.path.split(b"\n") if self.path else []

    def ending(self, expires_at: float) -> "Binding":
        """The same binding with another end."""
        return replace(self, expires_at=expires_at)

    def row(self) -> tuple[Any, ...]:
        """Every field, in the order of the constructor."""
        row: tuple[Any, ...] = _row_of(self)
        return row


FIELDS: Final = tuple(field.name for field in fields(Binding))
_row_of: Final = attrgetter(*FIELDS)


class BindingChange:
    """The change of one contact: bound as ``after``, or removed when that is None."""

    __slots__ = ("after", "aor", "key")

    def __init__(self, aor: str, key: bytes, after: Binding | None) -> None:
        self.aor = aor
        self.key = key
        self.after = after

    def __repr__(self) -> str:
        return f"<BindingChange {self.aor} {self.after or 'removed'!r}>"


BindingChanges = Sequence[BindingChange]
