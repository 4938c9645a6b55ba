"""A binding: one contact that an AOR can be reached at, until it expires.

The value alone: which contact may be bound is the registrar's business, where a
request goes the router's.  RFC 3261 section 10.3, RFC 3327, RFC 5626.
"""

from collections.abc import Sequence
from typing import Final

BindingRow = tuple[
    str,  # aor
    bytes,  # key
    bytes,  # uri
    bytes,  # value
    float,  # q
    float,  # expires_at
    float,  # registered_at
    bytes,  # call_id
    int,  # cseq
    bytes,  # instance
    int,  # reg_id
    str,  # epid
    str,  # user_agent
    str,  # source
    bytes,  # path
    bytes,  # flow
]

FIELDS: Final = (
    "aor",
    "key",
    "uri",
    "value",
    "q",
    "expires_at",
    "registered_at",
    "call_id",
    "cseq",
    "instance",
    "reg_id",
    "epid",
    "user_agent",
    "source",
    "path",
    "flow",
)


class Binding:
    """One contact of an AOR.  Not changed once made: a refresh makes a new one.

    ``aor`` is ``user@host`` in lower case and ``key`` tells the contacts of
    one AOR apart: the instance of a client, else the Contact's URI.  ``uri`` is the
    Contact's URI as sent, ``value`` the whole Contact value as sent, without
    ``expires``.  Instants are seconds since the
    epoch; ``registered_at`` is that of the first REGISTER, a refresh keeps it.
    ``reg_id`` is 0 without one.  ``source`` is ``udp:192.0.2.1:5060``.  ``path`` are
    the Path values one per line; ``flow`` the flow token of the way back, empty when
    the contact is not where the REGISTER came from.
    """

    __slots__ = FIELDS

    def __init__(
        self,
        aor: str,
        key: bytes,
        uri: bytes,
        value: bytes,
        q: float,
        expires_at: float,
        registered_at: float,
        call_id: bytes,
        cseq: int,
        instance: bytes = b"",
        reg_id: int = 0,
        epid: str = "",
        user_agent: str = "",
        source: str = "",
        path: bytes = b"",
        flow: bytes = b"",
    ) -> None:
        self.aor = aor
        self.key = key
        self.uri = uri
        self.value = value
        self.q = q
        self.expires_at = expires_at
        self.registered_at = registered_at
        self.call_id = call_id
        self.cseq = cseq
        self.instance = instance
        self.reg_id = reg_id
        self.epid = epid
        self.user_agent = user_agent
        self.source = source
        self.path = path
        self.flow = flow

    def __repr__(self) -> str:
        return f"<Binding {self.aor} {self.uri!r}>"

    @property
    def routes(self) -> list[bytes]:
        """The Path values in order: the Route set of a request to this contact."""
        return self.path.split(b"\n") if self.path else []

    def ending(self, expires_at: float) -> "Binding":
        """The same binding with another end."""
        return Binding(
            self.aor,
            self.key,
            self.uri,
            self.value,
            self.q,
            expires_at,
            self.registered_at,
            self.call_id,
            self.cseq,
            self.instance,
            self.reg_id,
            self.epid,
            self.user_agent,
            self.source,
            self.path,
            self.flow,
        )

    def row(self) -> BindingRow:
        """Every field, in the order of the constructor."""
        return (
            self.aor,
            self.key,
            self.uri,
            self.value,
            self.q,
            self.expires_at,
            self.registered_at,
            self.call_id,
            self.cseq,
            self.instance,
            self.reg_id,
            self.epid,
            self.user_agent,
            self.source,
            self.path,
            self.flow,
        )


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
