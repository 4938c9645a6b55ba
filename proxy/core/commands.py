"""Commands: everything that the core asks of the shell.

The counterpart is ``events.py``.  Names are imperative.  Each command is listed in
``server/event_log/codec.py`` as well, so that a replay can compare it.
"""

from proxy.location.binding import BindingChanges
from proxy.pools.front_end import FrontEnd, Lookup
from proxy.pools.health import Ejection
from proxy.sip.finished import Finished
from proxy.sip.flow import Flow, Listener
from proxy.sip.native import mypyc_attr


@mypyc_attr(acyclic=True, free_list_len=1)
class Send:
    """Put these bytes on this flow, in order."""

    __slots__ = ("data", "flow")

    def __init__(self, flow: Flow, data: bytes) -> None:
        self.flow = flow
        self.data = data


class Connect:
    """Open a connection to ``front_end`` within ``timeout`` seconds.

    Answered by ``FlowOpened`` or ``ConnectFailed`` with the same front end.
    ``listener`` is the address that requests on this connection will name in Via.
    """

    __slots__ = ("front_end", "listener", "timeout")

    def __init__(self, front_end: FrontEnd, listener: Listener, timeout: float) -> None:
        self.front_end = front_end
        self.listener = listener
        self.timeout = timeout


class Resolve:
    """Ask the resolver; answered by ``Resolved``."""

    __slots__ = ("lookup",)

    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup


class Close:
    """Close a stream after what is queued on it has been written."""

    __slots__ = ("flow", "reason")

    def __init__(self, flow: Flow, reason: str) -> None:
        self.flow = flow
        self.reason = reason


class LearnUri:
    """Save that a pool handed out ``uri`` (``rpl:requri``)."""

    __slots__ = ("endpoint_key", "pool_fqdn", "uri")

    def __init__(self, uri: str, pool_fqdn: str, endpoint_key: str) -> None:
        self.uri = uri
        self.pool_fqdn = pool_fqdn
        self.endpoint_key = endpoint_key


class UseLearnedUri:
    """Note that a learned URI was dialled just now."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key = key


class SaveBindings:
    """Make these changes durable; answered by ``BindingsSaved`` or ``BindingsNotSaved``
    with the same ``ticket``, which means nothing to the shell.

    The shell may save several of these together, in their order.
    """

    __slots__ = ("changes", "ticket")

    def __init__(self, changes: BindingChanges, ticket: object) -> None:
        self.changes = changes
        self.ticket = ticket


class MoveBindings:
    """The wall clock was set: save the new ends of these bindings."""

    __slots__ = ("changes",)

    def __init__(self, changes: BindingChanges) -> None:
        self.changes = changes


class LookUp:
    """Ask the store for ``aor``; always answered by ``LookedUp``, and soon."""

    __slots__ = ("aor",)

    def __init__(self, aor: str) -> None:
        self.aor = aor


class NoteSuspect:
    """Alert: ``source`` is guessing or scanning, the last time with ``example``."""

    __slots__ = ("example", "source", "what")

    def __init__(self, what: str, source: str, example: str) -> None:
        self.what = what
        self.source = source
        self.example = example


class NoteConflict:
    """Alert: somebody registers for an address that is an endpoint.

    Most likely the old Lookup service, still alive at ``source``.
    """

    __slots__ = ("contact", "endpoint_key", "source", "user_agent")

    def __init__(
        self, endpoint_key: str, source: str, user_agent: str, contact: str
    ) -> None:
        self.endpoint_key = endpoint_key
        self.source = source
        self.user_agent = user_agent
        self.contact = contact


class RefuseUri:
    """A front end has handed out a service URI that must not lead to its pool.

    ``reason`` is a key of ``dialogs/requri.REFUSALS``.
    """

    __slots__ = ("endpoint_key", "pool_fqdn", "reason", "uri")

    def __init__(
        self, uri: str, pool_fqdn: str, endpoint_key: str, reason: str
    ) -> None:
        self.uri = uri
        self.pool_fqdn = pool_fqdn
        self.endpoint_key = endpoint_key
        self.reason = reason


class NotePoolFailure:
    """The front end ``host`` of ``pool_fqdn`` has failed a request inside a dialog, or
    not answered it.

    The guard of a cutover counts these.  ``endpoint_key`` is empty for a dialog without
    an endpoint.
    """

    __slots__ = ("call_id", "endpoint_key", "host", "pool_fqdn", "status")

    def __init__(
        self,
        endpoint_key: str,
        pool_fqdn: str,
        status: int,
        call_id: bytes,
        host: str,
    ) -> None:
        self.endpoint_key = endpoint_key
        self.pool_fqdn = pool_fqdn
        self.status = status
        self.call_id = call_id
        self.host = host


class HandOver:
    """Give a message to another worker, as if it had come in there.

    When ``worker`` is our own number, take it again once the news of the siblings has
    been read.  With a ``reason``, ``data`` is a datagram of that worker that ICMP gave
    back.
    """

    __slots__ = ("data", "flow", "reason", "worker")

    def __init__(self, worker: int, flow: Flow, data: bytes, reason: str = "") -> None:
        self.worker = worker
        self.flow = flow
        self.data = data
        self.reason = reason


class TellEjection:
    """Tell the other workers, if any, that a front end is dead, or alive again."""

    __slots__ = ("ejection",)

    def __init__(self, ejection: Ejection) -> None:
        self.ejection = ejection


class NoteFault:
    """Report a bug of ours: ``what`` failed, and ``head`` begins the message that met
    it.

    The requests concerned have been answered; this is for the developers.
    """

    __slots__ = ("error", "flow", "head", "what")

    def __init__(
        self, what: str, error: Exception, head: bytes, flow: Flow | None
    ) -> None:
        self.what = what
        self.error = error
        self.head = head
        self.flow = flow


@mypyc_attr(acyclic=True)
class LogAccess(Finished):
    """A request outside a dialog has ended: note it for the access log.

    Telemetry reads these in batches, off the message path.
    """

    __slots__ = ()


Command = (
    Send
    | Connect
    | Resolve
    | Close
    | LearnUri
    | RefuseUri
    | UseLearnedUri
    | SaveBindings
    | MoveBindings
    | LookUp
    | NoteConflict
    | NoteSuspect
    | NotePoolFailure
    | HandOver
    | TellEjection
    | NoteFault
    | LogAccess
)
