"""Events: everything that the shell tells the core.

The counterpart is ``commands.py``.  Names are in the past tense.  Each event is listed
in ``server/event_log/codec.py`` as well, so that a run can be recorded and replayed.
"""

from collections.abc import Iterable, Mapping, Sequence

from proxy.core.settings import CoreSettings
from proxy.endpoints.table import EndpointTable
from proxy.location.binding import Binding, BindingChanges
from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from proxy.pools.health import Ejection, Key
from proxy.sip.flow import Flow


class MessageReceived:
    """One datagram, or one framed message of a stream, arrived on ``flow``."""

    __slots__ = ("data", "flow")

    def __init__(self, flow: Flow, data: bytes) -> None:
        self.flow = flow
        self.data = data


class FlowOpened:
    """The connection asked for by ``commands.Connect`` exists."""

    __slots__ = ("flow", "front_end")

    def __init__(self, front_end: FrontEnd, flow: Flow) -> None:
        self.front_end = front_end
        self.flow = flow


class ConnectFailed:
    """The connection asked for by ``commands.Connect`` could not be opened.

    ``reason`` is a short word for logs: ``refused``, ``connect-timeout``,
    ``unreachable``, ``tls`` or ``limit``; ``detail`` a sentence for an administrator.
    """

    __slots__ = ("detail", "front_end", "reason")

    def __init__(self, front_end: FrontEnd, reason: str, detail: str = "") -> None:
        self.front_end = front_end
        self.reason = reason
        self.detail = detail


class FlowClosed:
    """A stream connection ended; what was pending on it will get no answer."""

    __slots__ = ("flow", "reason")

    def __init__(self, flow: Flow, reason: str) -> None:
        self.flow = flow
        self.reason = reason


class DatagramRefused:
    """ICMP told that a datagram of ours did not arrive.

    ``data`` is the beginning of that datagram as the kernel returned it.
    """

    __slots__ = ("data", "flow", "reason")

    def __init__(self, flow: Flow, data: bytes, reason: str) -> None:
        self.flow = flow
        self.data = data
        self.reason = reason


class Resolved:
    """The answer to ``commands.Resolve``; ``resolution.error`` tells a failure."""

    __slots__ = ("lookup", "resolution")

    def __init__(self, lookup: Lookup, resolution: Resolution) -> None:
        self.lookup = lookup
        self.resolution = resolution


class TableChanged:
    """The endpoint table has a new version."""

    __slots__ = ("table",)

    def __init__(self, table: EndpointTable) -> None:
        self.table = table


class BindingsSaved:
    """What ``commands.SaveBindings`` asked for is saved; the tickets are in order."""

    __slots__ = ("tickets",)

    def __init__(self, tickets: Sequence[object]) -> None:
        self.tickets = tickets


class BindingsNotSaved:
    """Nothing of what ``commands.SaveBindings`` asked for could be saved."""

    __slots__ = ("reason", "tickets")

    def __init__(self, tickets: Sequence[object], reason: str) -> None:
        self.tickets = tickets
        self.reason = reason


class LocationLoaded:
    """All bindings and users of the store: at the start, and when the store can no
    longer tell what has changed.

    ``users`` maps a digest user name to its HA1 by algorithm.
    """

    __slots__ = ("bindings", "users")

    def __init__(
        self, bindings: Iterable[Binding], users: Mapping[str, Mapping[str, str]]
    ) -> None:
        self.bindings = bindings
        self.users = users


class UriTold:
    """A sibling has learned that a pool handed out ``uri``."""

    __slots__ = ("endpoint_key", "pool_fqdn", "uri")

    def __init__(self, uri: str, pool_fqdn: str, endpoint_key: str) -> None:
        self.uri = uri
        self.pool_fqdn = pool_fqdn
        self.endpoint_key = endpoint_key


class NodesChanged:
    """The other nodes that are alive now: number → SIP URI of the node."""

    __slots__ = ("nodes",)

    def __init__(self, nodes: Mapping[int, str]) -> None:
        self.nodes = nodes


class BindingsChanged:
    """A sibling or another node has saved these changes: bind them here as well."""

    __slots__ = ("changes",)

    def __init__(self, changes: BindingChanges) -> None:
        self.changes = changes


class UsersChanged:
    """All users that may register with a password: name → HA1 by algorithm."""

    __slots__ = ("users",)

    def __init__(self, users: Mapping[str, Mapping[str, str]]) -> None:
        self.users = users


class LookedUp:
    """The answer to ``commands.LookUp``.

    ``bindings`` are live; ``learned`` are (URI, pool, endpoint) of a service URI, one
    for each pool that handed it out.  Both are empty when the store knows nothing, or
    could not be asked.
    """

    __slots__ = ("aor", "bindings", "learned")

    def __init__(
        self,
        aor: str,
        bindings: Sequence[Binding] = (),
        learned: Sequence[tuple[str, str, str]] = (),
    ) -> None:
        self.aor = aor
        self.bindings = bindings
        self.learned = learned


class Overload:
    """More comes in than we can serve, or, with ``is_on`` False, no longer."""

    __slots__ = ("is_on",)

    def __init__(self, is_on: bool) -> None:
        self.is_on = is_on


class FramingFailed:
    """A stream sent bytes that cannot be framed; the connection will be closed.

    ``data`` is what was read of the message, for an answer where one is possible.
    """

    __slots__ = ("data", "flow", "reason", "status")

    def __init__(self, flow: Flow, data: bytes, status: int, reason: str) -> None:
        self.flow = flow
        self.data = data
        self.status = status
        self.reason = reason


class SettingsChanged:
    """A reload: use these settings from now on.

    Only settings that can change while we run differ; keys have an event of their own.
    """

    __slots__ = ("settings",)

    def __init__(self, settings: CoreSettings) -> None:
        self.settings = settings


class KeysChanged:
    """Sign flow tokens with the first of these from now on, and accept them all."""

    __slots__ = ("keys",)

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self.keys = keys


class Draining:
    """The service is about to end: requests that begin something are refused."""

    __slots__ = ()


class ClockRead:
    """The wall clock is ``offset`` seconds ahead of the core's clock.

    ``set_by`` is by how many seconds somebody has set it since the last reading, mostly
    0; the ends of bindings then move with it (decision 45).
    """

    __slots__ = ("offset", "set_by")

    def __init__(self, offset: float, set_by: float = 0.0) -> None:
        self.offset = offset
        self.set_by = set_by


class SweepDue:
    """It is time to free the bindings that have expired."""

    __slots__ = ()


class EjectionTold:
    """A sibling has found a front end dead, or alive again."""

    __slots__ = ("ejection",)

    def __init__(self, ejection: Ejection) -> None:
        self.ejection = ejection


class ProbeFailed:
    """A probe has failed as a call would have: it counts like a failed call."""

    __slots__ = ("key", "reason")

    def __init__(self, key: Key, reason: str) -> None:
        self.key = key
        self.reason = reason


class EjectionProlonged:
    """Probes keep an ejected front end out until ``until`` (core seconds)."""

    __slots__ = ("key", "reason", "until")

    def __init__(self, key: Key, reason: str, until: float) -> None:
        self.key = key
        self.reason = reason
        self.until = until


class EjectionEnded:
    """Probes end the ejection of a front end; its earlier failures still count."""

    __slots__ = ("key", "reason")

    def __init__(self, key: Key, reason: str) -> None:
        self.key = key
        self.reason = reason


RegistrarEvent = (
    BindingsSaved | BindingsNotSaved | LocationLoaded | BindingsChanged | UsersChanged
)
UpkeepEvent = (
    ClockRead
    | SweepDue
    | EjectionTold
    | ProbeFailed
    | EjectionProlonged
    | EjectionEnded
)
Event = (
    MessageReceived
    | FlowOpened
    | ConnectFailed
    | FlowClosed
    | DatagramRefused
    | Resolved
    | TableChanged
    | LookedUp
    | FramingFailed
    | Overload
    | UriTold
    | NodesChanged
    | RegistrarEvent
    | SettingsChanged
    | KeysChanged
    | Draining
    | UpkeepEvent
)
