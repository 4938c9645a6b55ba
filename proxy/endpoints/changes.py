"""Changes of the endpoint table: what a verb does to it, decided without doing it.

Every function takes the table as it is and returns the row changes to make, or raises
Refused with a sentence that says what to do.  The store calls them inside its
transaction, so what was checked is still true when it is written; a dry run calls them
on a loaded table.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from proxy.endpoints.address import (
    Refused,
    endpoint_address,
    normalise_display_name,
    normalise_fqdn,
    normalise_request_uri,
    normalise_service_uri,
)
from proxy.endpoints.codec import Row, row_to_json
from proxy.endpoints.model import Cutover, Drain, Endpoint, Pool
from proxy.endpoints.table import EndpointTable
from proxy.sip.flow import Transport
from proxy.sip.pasted import pasted_note

Kind = Literal["endpoint", "pool", "cutover", "drain"]
_INSTANTS: Final = ("created_at", "changed_at")
_UNSAID: Final = {"transport": "auto", "port": "by SRV"}


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row before and after; None is "does not exist".  Never both None."""

    before: Row | None
    after: Row | None

    @property
    def row(self) -> Row:
        """The row as it is afterwards, or was when it is removed."""
        row = self.after or self.before
        assert row is not None
        return row

    @property
    def kind(self) -> Kind:
        """Which table of the store the row is in."""
        match self.row:
            case Endpoint():
                return "endpoint"
            case Pool():
                return "pool"
            case Cutover():
                return "cutover"
            case Drain():
                return "drain"

    @property
    def key(self) -> str:
        """The identity: ``user@host``, the pool's FQDN, the cutover's number, or the
        drained front end."""
        match self.row:
            case Endpoint(key=key):
                return key
            case Pool(fqdn=fqdn):
                return fqdn
            case Cutover(number=number):
                return str(number)
            case Drain():
                return self.row.key


Decide = Callable[[EndpointTable], Sequence[RowChange]]
"""What a change of the store is made of: table in, row changes out, or Refused."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration says about endpoints."""

    domains: frozenset[str] = frozenset()
    advertised_host: str | None = None


@dataclass(frozen=True, slots=True)
class EndpointFields:
    """What an administrator may say about an endpoint; None is "not said"."""

    pool_fqdn: str | None = None
    display_name: str | None = None
    request_uri: str | None = None
    service_uris: Collection[str] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said at all."""
        return self == EndpointFields()

    def checked(self, rules: Rules) -> dict[str, object]:
        """The fields that were said, in their one form; raises Refused."""
        said: dict[str, object] = {}
        if self.pool_fqdn is not None:
            said["pool_fqdn"] = _pool_fqdn(self.pool_fqdn, rules)
        if self.display_name is not None:
            said["display_name"] = normalise_display_name(self.display_name)
        if self.request_uri is not None:
            said["request_uri"] = normalise_request_uri(self.request_uri)
        if self.service_uris is not None:
            patterns = [
                normalise_service_uri(uri, rules.domains)
                for uri in self.service_uris
                if uri.strip()
            ]
            said["service_uris"] = tuple(dict.fromkeys(patterns))
        return said


def _pool_fqdn(text: str, rules: Rules) -> str:
    fqdn = normalise_fqdn(text)
    if fqdn == rules.advertised_host:
        raise Refused(
            f'"{fqdn}" is this proxy, so requests would come back to it: write the '
            "FQDN of the Persistent Chat pool"
        )
    return fqdn


def new_endpoint(
    sip_address: str, fields: EndpointFields, rules: Rules, now: float
) -> Decide:
    """Create an endpoint.  ``fields.pool_fqdn`` is required."""
    address, key = endpoint_address(sip_address, rules.domains)
    if fields.pool_fqdn is None:
        raise Refused("an endpoint needs a pool: write --pool-fqdn pcpool.contoso.com")
    said = fields.checked(rules)

    def decide(table: EndpointTable) -> list[RowChange]:
        existing = table.endpoints.get(key)
        if existing is not None:
            raise Refused(
                f'"{existing.sip_address}" exists already and leads to '
                f"{existing.pool_fqdn}: to lead it elsewhere use "
                f'"waypost endpoint set {existing.sip_address} --pool-fqdn '
                f'{said["pool_fqdn"]}", or remove it first',
                "conflict",
            )
        blank = Endpoint(address, key, "", created_at=now, changed_at=now)
        endpoint = replace(blank, **said)  # type: ignore[arg-type]
        _check_patterns(table, endpoint)
        return [RowChange(None, endpoint)]

    return decide


def set_endpoint(
    identity: str, fields: EndpointFields, rules: Rules, now: float
) -> Decide:
    """Change the fields of an endpoint, all at once; never its address."""
    if fields.is_empty:
        raise Refused(
            "nothing to change: give at least one of --pool-fqdn, --display-name, "
            "--request-uri, --service-uri"
        )
    said = fields.checked(rules)

    def decide(table: EndpointTable) -> list[RowChange]:
        before = find_endpoint(table, identity)
        after = replace(before, **said)  # type: ignore[arg-type]
        if after == before:
            return []
        after = replace(after, changed_at=now)
        _check_patterns(table, after)
        return [RowChange(before, after)]

    return decide


def remove_endpoint(identity: str) -> Decide:
    """Remove an endpoint; what it learned goes with it."""
    return lambda table: [RowChange(find_endpoint(table, identity), None)]


def retire_endpoint(identity: str, text: str | None, now: float) -> Decide:
    """Answer 410 from now on, with a text, and go on counting who asks."""
    said = None if text is None else normalise_display_name(text)

    def decide(table: EndpointTable) -> list[RowChange]:
        before = find_endpoint(table, identity)
        words = before.retired_text if said is None else said
        after = replace(before, state="retired", retired_text=words)
        if after == before:
            return []
        return [RowChange(before, replace(after, changed_at=now))]

    return decide


def activate_endpoint(identity: str, now: float) -> Decide:
    """Serve a retired endpoint again, as before."""

    def decide(table: EndpointTable) -> list[RowChange]:
        before = find_endpoint(table, identity)
        if before.state == "active":
            return []
        after = replace(before, state="active", retired_text="", changed_at=now)
        return [RowChange(before, after)]

    return decide


def set_pool(
    fqdn: str,
    rules: Rules,
    *,
    transport: Transport | Literal["auto"] | None = None,
    port: int | None = None,
) -> Decide:
    """Say how to reach a pool; None is "leave it", ``auto`` and port 0 are "by DNS"."""
    name = _pool_fqdn(fqdn, rules)
    if transport is None and port is None:
        raise Refused("nothing to change: give --transport, --port or both")
    if port is not None and not 0 <= port < 65_536:
        raise Refused(f"{port} is not a port: write 1 to 65535, or 0 for SRV records")

    def decide(table: EndpointTable) -> list[RowChange]:
        before = table.pools.get(name)
        known = before or Pool(name)
        after = Pool(
            name,
            known.transport
            if transport is None
            else None
            if transport == "auto"
            else transport,
            known.port if port is None else port or None,
        )
        if after == known:
            return []
        # A pool that is reached by DNS alone needs no row of its own.
        return [RowChange(before, None if after == Pool(name) else after)]

    return decide


def together(decisions: Sequence[Decide]) -> Decide:
    """Several changes as one, all or none.

    Each of them sees the table as it was, so of two changes to a row the first counts.
    """

    def decide(table: EndpointTable) -> list[RowChange]:
        found: dict[tuple[Kind, str], RowChange] = {}
        for each in decisions:
            for change in each(table):
                found.setdefault((change.kind, change.key), change)
        return list(found.values())

    return decide


def find_endpoint(table: EndpointTable, identity: str) -> Endpoint:
    """An endpoint by SIP address or display name; raises Refused.

    The address is tried first; a display name that several endpoints share is an
    error that lists them.
    """
    wanted = identity.strip()
    address = wanted if wanted[:4].lower() != "sip:" else wanted[4:]
    found = table.endpoints.get(address.lower())
    if found is not None:
        return found
    named = [
        endpoint
        for endpoint in table.endpoints.values()
        if endpoint.display_name and endpoint.display_name.lower() == wanted.lower()
    ]
    if len(named) == 1:
        return named[0]
    if named:
        addresses = ", ".join(sorted(endpoint.sip_address for endpoint in named))
        raise Refused(
            f'"{identity}" is the display name of {len(named)} endpoints: name one by '
            f"its address ({addresses})",
            "conflict",
        )
    raise Refused(_unknown(table, identity), "missing")


def _unknown(table: EndpointTable, identity: str) -> str:
    if identity.strip().upper().startswith("CN="):
        return (
            "distinguished names belong to Active Directory: name the endpoint by its "
            "SIP address"
        )
    from proxy.endpoints.similar import similar_address

    text = f'there is no endpoint "{identity}"'
    close = similar_address(identity, table.endpoints)
    if close is not None:
        return f'{text}; did you mean "{table.endpoints[close].sip_address}"?'
    note = pasted_note(identity)
    if note:
        return f"{text}: {note}"
    return f'{text}: "waypost endpoint get" lists those there are'


def _check_patterns(table: EndpointTable, endpoint: Endpoint) -> None:
    """Two endpoints must not claim the same service URI pattern."""
    mine = {pattern.lower() for pattern in endpoint.service_uris}
    if not mine:
        return
    for other in table.endpoints.values():
        if other.key == endpoint.key:
            continue
        for pattern in other.service_uris:
            if pattern.lower() in mine:
                raise Refused(
                    f'the service URI "{pattern}" belongs to {other.sip_address} '
                    "already: choose a narrower pattern or take it from there",
                    "conflict",
                )


def describe_changes(changes: Iterable[RowChange]) -> list[str]:
    """What a list of changes does, one line each, for people."""
    return [line for change in changes for line in _describe(change)]


def _describe(change: RowChange) -> list[str]:
    row = change.row
    if isinstance(row, Cutover):
        why = f" ({row.reason})" if row.reason else ""
        return [f"cutover {row.number}: {row.state}{why}"]
    if isinstance(row, Drain):
        return [_drained(row, change.after is not None)]
    name = row.sip_address if isinstance(row, Endpoint) else row.fqdn
    before, after = row_to_json(change.before) or {}, row_to_json(change.after) or {}
    if not after:
        return (
            [f"remove {change.kind} {name}"]
            if change.kind == "endpoint"
            else [f"reset pool {name} (transport and port by DNS)"]
        )
    verb = "change" if before else "create"
    lines = [f"{verb} {change.kind} {name}"]
    for field, value in after.items():
        if field in _INSTANTS or field in ("sip_address", "fqdn"):
            continue
        old = before.get(field)
        if before and old != value:
            lines.append(f"  {field}: {_show(field, old)} -> {_show(field, value)}")
        elif not before and value:
            lines.append(f"  {field}: {_show(field, value)}")
    return lines


def _drained(row: Drain, is_drained: bool) -> str:
    where = f"{row.place} of {row.pool}" if row.pool else row.place
    if not is_drained:
        return f"undrain front end {where}"
    until = f" until {_local(row.ends_at)}" if row.ends_at else ""
    return f"drain front end {where}{until}" + (f": {row.reason}" if row.reason else "")


def _local(seconds: float) -> str:
    then = datetime.fromtimestamp(seconds).astimezone()
    return then.strftime("%Y-%m-%d %H:%M:%S %z")


def _show(field: str, value: object) -> str:
    if value is None and field in _UNSAID:
        return _UNSAID[field]
    if isinstance(value, dict):
        count = len(value["pilots"])
        pilots = f" and {count} pilot{'s' * (count > 1)}" if count else ""
        return f"{value['percent']} %{pilots} to {value['pool_fqdn']}"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "(none)"
    return "(none)" if value in (None, "") else str(value)
