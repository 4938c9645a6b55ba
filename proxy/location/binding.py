"""A binding: one contact that an AOR can be reached at, until it expires.

The value alone: which contact may be bound is the registrar's business, where a
request goes the router's.  RFC 3261 section 10.3, RFC 3327, RFC 5626.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Any, Final


@dataclass(slots=True, eq=False, repr=False)
class Binding:
    """One contact of an AOR.  Not changed once made: a refresh makes a new one.

    ``aor`` is ``user@host`` in lower case and ``key`` what tells the contacts of one
    AOR apart.  ``uri`` is the Contact's URI as sent, ``value`` the whole Contact value
    as sent, without ``expires``.  Instants are seconds since the epoch;
    ``registered_at`` is that of the first REGISTER, a refresh keeps it.  ``reg_id`` is
    0 without one.  ``source`` is ``udp:192.0.2.1:5060``.  ``path`` are the Path values
    one per line; ``flow`` the flow token of the way back, empty when the contact is not
    where the REGISTER came from.

    Two bindings are the same only when they are one object: ``service.holds`` asks
    whether this very one is still bound.
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
    """One contact set (``after``) or removed (``after`` is None)."""

    __slots__ = ("after", "aor", "key")

    def __init__(self, aor: str, key: bytes, after: Binding | None) -> None:
        self.aor = aor
        self.key = key
        self.after = after

    def __repr__(self) -> str:
        return f"<BindingChange {self.aor} {self.after or 'removed'!r}>"


BindingChanges = Sequence[BindingChange]
