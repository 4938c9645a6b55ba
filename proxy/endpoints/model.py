"""The rows of the endpoint table, as immutable values.

An endpoint is what ``New-CsPersistentChatEndpoint`` creates: a well-known SIP URI and
the FQDN of the pool that serves it.  Instants are seconds since the epoch.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal

from proxy.sip.flow import Transport
from proxy.sip.host import host_port

EndpointState = Literal["active", "retired"]
CutoverState = Literal["applied", "confirmed", "rolled-back", "replaced"]


def endpoint_tag(key: str) -> bytes:
    """Six bytes that name an endpoint inside a flow token, the same on every node."""
    return blake2b(key.encode(), digest_size=6).digest()


@dataclass(frozen=True, slots=True)
class Canary:
    """A second pool that part of the users of an endpoint goes to.

    ``percent`` (0-100) is sticky by From AOR; ``pilots`` are AORs in lower case
    (``alice@contoso.com``) that always go there.
    """

    pool_fqdn: str
    percent: int = 0
    pilots: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One legacy URI and its pool.

    ``sip_address`` is ``sip:user@host`` as the administrator wrote it; ``key`` is
    ``user@host`` in lower case, the identity of the row.  ``request_uri`` is the policy
    of decision 2: ``pool-host``, ``keep`` or an explicit ``sip:`` URI.
    """

    sip_address: str
    key: str
    pool_fqdn: str
    display_name: str = ""
    request_uri: str = "pool-host"
    service_uris: tuple[str, ...] = ()  # patterns such as sip:GC-*@contoso.com
    state: EndpointState = "active"
    retired_text: str = ""
    canary: Canary | None = None
    created_at: float = 0.0
    changed_at: float = 0.0

    @property
    def tag(self) -> bytes:
        """The endpoint's name inside a flow token."""
        return endpoint_tag(self.key)

    @property
    def pools(self) -> tuple[str, ...]:
        """Every pool that the endpoint's users may be at, in lower case."""
        pool = self.pool_fqdn.lower()
        return (pool, self.canary.pool_fqdn.lower()) if self.canary else (pool,)


@dataclass(frozen=True, slots=True)
class Pool:
    """How to reach a pool: ``transport`` None is "auto", ``port`` None is "by SRV"."""

    fqdn: str
    transport: Transport | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Drain:
    """A front end that gets no new dialogs; those in progress stay.

    ``front_end`` is its name or its numeric address in lower case; ``port`` None is
    every port, ``pool`` empty every pool of the table.  At ``ends_at`` the drain ends
    by itself; 0: only when somebody ends it.
    """

    front_end: str
    port: int | None = None
    pool: str = ""
    reason: str = ""
    drained_by: str = ""
    drained_at: float = 0.0
    ends_at: float = 0.0

    @property
    def place(self) -> str:
        """The front end as it is typed: ``fe1.contoso.com:5060``."""
        if self.port is None:
            return self.front_end
        return host_port(self.front_end, self.port)

    @property
    def key(self) -> str:
        """The identity of the row."""
        return f"{self.place}@{self.pool}" if self.pool else self.place

    def has_ended(self, now: float) -> bool:
        """Whether the drain has ended by itself; ``now`` is wall-clock."""
        return 0.0 < self.ends_at <= now

    def covers(self, name: str, host: str, port: int, pool: str) -> bool:
        """Whether the drain is of this front end; ``pool`` is in lower case."""
        return (
            (self.port is None or self.port == port)
            and (not self.pool or self.pool == pool)
            and self.front_end in (name.lower(), host)
        )


@dataclass(frozen=True, slots=True)
class LearnedUri:
    """A service URI that a pool handed out in ``rpl:requri``.

    ``key`` is ``user@host`` in lower case.
    """

    uri: str
    key: str
    pool_fqdn: str
    endpoint_key: str
    learned_at: float
    last_used_at: float


@dataclass(frozen=True, slots=True)
class Switch:
    """One endpoint of a cutover, before (None: it was not there) and after."""

    before: Endpoint | None
    after: Endpoint


Uptime = tuple[str, float]
"""A start of a machine, and the seconds since; see ``proxy.clock.uptime``."""
NO_UPTIME: Final[Uptime] = ("", 0.0)


@dataclass(frozen=True, slots=True)
class Guard:
    """When a cutover is rolled back because the new pool fails.

    It is when more than ``limit`` percent of the calls fail, once there were ``least``
    of them.  The guard ends at ``until``; ``machine`` and ``uptime_by`` say the same on
    a clock that nobody can set.  ``probes``: our own chat probes count as well.
    """

    limit: float
    least: int = 20
    until: float = 0.0
    machine: str = ""
    uptime_by: float = 0.0
    probes: bool = False

    def left(self, now: float, uptime: Uptime = NO_UPTIME) -> float:
        """Seconds for which it is still on guard."""
        machine, seconds = uptime
        if machine and machine == self.machine:
            return self.uptime_by - seconds
        return self.until - now


@dataclass(frozen=True, slots=True)
class Cutover:
    """A numbered switch of many endpoints at once, and the snapshot to undo it.

    ``confirm_by`` is when it is rolled back by itself unless confirmed; None: never.
    ``share`` words a canary ("10 %"), empty when all users were switched.  ``forced``:
    the doctor had advised against it.  ``settled_at`` and ``settled_by`` tell of the
    confirmation or the rollback.

    ``uptime_by`` is the same deadline on a clock that cannot be set: seconds since the
    start of the machine that is called ``machine`` (decision 45).  ``guard`` may roll
    the cutover back too, and ``reason`` is why it did.  ``plan_text`` is the plan, for
    another try.
    """

    number: int
    state: CutoverState
    plan: str
    applied_at: float
    applied_by: str
    confirm_by: float | None = None
    share: str = ""
    forced: bool = False
    settled_at: float = 0.0
    settled_by: str = ""
    switches: tuple[Switch, ...] = ()
    machine: str = ""
    uptime_by: float = 0.0
    guard: Guard | None = None
    reason: str = ""
    plan_text: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it may still be rolled back by itself: by its deadline or its guard.

        It asks no clock, so one whose guard is over is open until it is confirmed.
        """
        may_go_back = self.confirm_by is not None or self.guard is not None
        return self.state == "applied" and may_go_back

    @property
    def pools_before(self) -> frozenset[str]:
        """The pools that a rollback would lead back to, in lower case."""
        befores = (each.before for each in self.switches)
        return frozenset(pool for each in befores if each for pool in each.pools)

    def left(self, now: float, uptime: Uptime = NO_UPTIME) -> float | None:
        """Seconds until it is rolled back by itself; None when it never is.

        The wall clock ``now`` decides where ``uptime`` is of another machine, or of a
        later start of this one.
        """
        if self.confirm_by is None:
            return None
        machine, seconds = uptime
        if machine and machine == self.machine:
            return self.uptime_by - seconds
        return self.confirm_by - now

    def is_overdue(self, now: float, uptime: Uptime = NO_UPTIME) -> bool:
        """Whether it should have been confirmed by now, and was not."""
        left = self.left(now, uptime)
        return self.state == "applied" and left is not None and left <= 0
