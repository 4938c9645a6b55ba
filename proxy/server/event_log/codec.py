"""The core's events and commands as JSON values, and events back again.

A file can make only the classes that are listed here, so a foreign log runs no code.
An object with an identity (a flow, a resolution, a ticket) is a number in the file: its
first appearance takes the next number, both while writing and while replaying.
"""

from collections.abc import Callable
from dataclasses import fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from proxy.core import commands, events
from proxy.core.settings import Attempts, CoreSettings, PoolCodes, RegistrarSettings
from proxy.endpoints.model import (
    Canary,
    Cutover,
    Drain,
    Endpoint,
    Guard,
    LearnedUri,
    Pool,
    Switch,
)
from proxy.endpoints.table import EndpointTable
from proxy.location.binding import FIELDS, Binding, BindingChange
from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from proxy.pools.health import Ejection
from proxy.sip.flow import Flow, Listener
from proxy.sip.limits import MessageLimits
from proxy.sip.message import Request

EVENTS: Final[dict[type, str]] = {
    events.MessageReceived: "flow data",
    events.FlowOpened: "front_end flow",
    events.ConnectFailed: "front_end reason detail",
    events.FlowClosed: "flow reason",
    events.DatagramRefused: "flow data reason",
    events.Resolved: "lookup resolution",
    events.TableChanged: "table",
    events.LookedUp: "aor bindings learned",
    events.FramingFailed: "flow data status reason",
    events.UriTold: "uri pool_fqdn endpoint_key",
    events.NodesChanged: "nodes",
    events.BindingsSaved: "tickets",
    events.BindingsNotSaved: "tickets reason",
    events.LocationLoaded: "bindings users",
    events.BindingsChanged: "changes",
    events.UsersChanged: "users",
    events.SettingsChanged: "settings",
    events.KeysChanged: "keys",
    events.Draining: "",
    events.Overload: "is_on",
    events.ClockRead: "offset set_by",
    events.SweepDue: "",
    events.EjectionTold: "ejection",
    events.ProbeFailed: "key reason",
    events.EjectionProlonged: "key reason until",
    events.EjectionEnded: "key reason",
}
"""Every event, with the arguments of its constructor in order."""

COMMANDS: Final[dict[type, str]] = {
    commands.Send: "flow data",
    commands.Connect: "front_end listener timeout",
    commands.Resolve: "lookup",
    commands.Close: "flow reason",
    commands.LearnUri: "uri pool_fqdn endpoint_key",
    commands.RefuseUri: "uri pool_fqdn endpoint_key reason",
    commands.UseLearnedUri: "key",
    commands.SaveBindings: "changes ticket",
    commands.MoveBindings: "changes",
    commands.LookUp: "aor",
    commands.NoteConflict: "endpoint_key source user_agent contact",
    commands.NoteSuspect: "what source example",
    commands.NotePoolFailure: "endpoint_key pool_fqdn status call_id host",
    commands.HandOver: "worker flow data reason",
    commands.TellEjection: "ejection",
    commands.NoteFault: "what error head flow",
    commands.LogAccess: "request source status seconds rule endpoint pool attempts "
    "answered",
}
"""Every command, likewise."""

_DATA: Final = (
    *(Attempts, CoreSettings, PoolCodes, RegistrarSettings, MessageLimits),
    *(Canary, Cutover, Drain, Endpoint, Guard, LearnedUri, Pool, Switch),
)
_TUPLES: Final = (Ejection, FrontEnd, Lookup)

_FIELDS: Final[dict[type, tuple[str, ...]]] = {
    **{kind: tuple(x.name for x in fields(kind)) for kind in _DATA},
    **{kind: kind._fields for kind in _TUPLES},
    Binding: FIELDS,
    BindingChange: ("aor", "key", "after"),
    **{kind: tuple(words.split()) for kind, words in EVENTS.items()},
    **{kind: tuple(words.split()) for kind, words in COMMANDS.items()},
}
_CLASSES: Final[dict[str, Callable[..., Any]]] = {
    **{kind.__name__: kind for kind in _FIELDS if kind not in COMMANDS},
    "EndpointTable": EndpointTable,
}
_RESOLUTION: Final = (
    *("lookup", "groups", "expires", "resolved_at", "naptr_order", "error", "reason"),
    *("answered_at", "stale_since"),
)
_MADE_BY_KEYWORD: Final = 7
"""How many fields of a resolution its constructor takes; the rest is set afterwards."""


class Numbers:
    """Numbers for objects with an identity, from 1 on, in the order of appearance."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._things: dict[int, Any] = {}

    def of(self, thing: Any) -> int:
        """The number of an object, a new one at first sight."""
        number = self._numbers.get(id(thing))
        if number is None:
            number = len(self._things) + 1
            self.note(number, thing)
        return number

    def note(self, number: int, thing: Any) -> None:
        """Give an object the number that the file says."""
        self._numbers[id(thing)] = number
        self._things[number] = thing  # kept alive, so that its id stays its own

    def thing(self, number: int) -> Any:
        """The object with this number; raises KeyError when there is none."""
        return self._things[number]

    def __contains__(self, thing: object) -> bool:
        return id(thing) in self._numbers


class Codec:
    """Writes and reads values; ``flows`` numbers flows for the code that describes
    them."""

    def __init__(self, listeners: list[Listener]) -> None:
        self._listeners = listeners
        self.flows = Numbers()
        self._resolutions = Numbers()
        self._tickets = Numbers()
        self._reasons: dict[int, str] = {}

    # -- writing -------------------------------------------------------------------

    def write(self, value: Any) -> Any:
        """``value`` in JSON's types; raises TypeError for a type that is not listed."""
        if value is None or isinstance(value, bool | int | float | str):
            return value
        names = _FIELDS.get(type(value))
        if names is not None:
            return self._object(value, names)
        match value:
            case bytes():
                return {"b": value.decode("latin-1")}
            case Flow():
                return {"flow": self.flows.of(value)}
            case Listener():
                return {"listener": self._listeners.index(value.shared)}
            case Resolution():
                return self._resolution(value)
            case EndpointTable():
                return self._table(value)
            case Request():
                return {"request": value.lines[0].decode("latin-1")}
            case IPv4Network() | IPv6Network():
                return {"n": str(value)}
            case Exception():
                return {"error": repr(value)}
        return self._container(value)

    def _container(self, value: Any) -> Any:
        match value:
            case tuple():
                return {"t": [self.write(x) for x in value]}
            case list():
                return [self.write(x) for x in value]
            case frozenset():
                return {"f": [self.write(x) for x in sorted(value)]}
        if hasattr(value, "items"):
            return {"d": [[self.write(k), self.write(v)] for k, v in value.items()]}
        raise TypeError(f"{type(value).__name__} has no place in an event log")

    def _object(self, value: Any, names: tuple[str, ...]) -> Any:
        found: dict[str, Any] = {"o": type(value).__name__}
        for name in names:
            part = getattr(value, name)
            if name == "ticket":
                found[name] = self._tickets.of(part)
            elif name == "tickets":
                found[name] = [self._tickets.of(x) for x in part]
            else:
                found[name] = self.write(part)
        return found

    def _resolution(self, value: Resolution) -> Any:
        is_known = value in self._resolutions
        number = self._resolutions.of(value)
        names: tuple[str, ...] = _RESOLUTION
        if is_known:
            # When the resolver asks again, it may change the reason in place.
            names = () if value.reason == self._reasons[number] else ("reason",)
        self._reasons[number] = value.reason
        parts = {name: self.write(getattr(value, name)) for name in names}
        return {"resolution": number, **parts}

    def _table(self, table: EndpointTable) -> Any:
        return {
            "o": "EndpointTable",
            "endpoints": [self.write(x) for x in table.endpoints.values()],
            "pools": [self.write(x) for x in table.pools.values()],
            "learned": [self.write(x) for x in table.learned_uris()],
            "version": table.version,
            "cutover": self.write(table.cutover),
            "drains": [self.write(x) for x in table.drains],
        }

    # -- reading -------------------------------------------------------------------

    def read(self, value: Any) -> Any:
        """The reverse of ``write``; raises KeyError for a form that it never writes."""
        if isinstance(value, list):
            return [self.read(x) for x in value]
        if not isinstance(value, dict):
            return value
        if "o" in value:
            return self._read_object(dict(value))
        if "resolution" in value:
            return self._read_resolution(value)
        ((kind, inner),) = value.items()
        match kind:
            case "b":
                return inner.encode("latin-1")
            case "t":
                return tuple(self.read(x) for x in inner)
            case "f":
                return frozenset(self.read(x) for x in inner)
            case "d":
                return {self.read(k): self.read(v) for k, v in inner}
            case "flow":
                return self.flows.thing(inner)
            case "listener":
                return self._listeners[inner]
            case "n":
                return ip_network(inner)
        raise KeyError(kind)

    def _read_object(self, value: dict[str, Any]) -> Any:
        kind = _CLASSES[value.pop("o")]
        if "tickets" in value:
            value["tickets"] = [self._tickets.thing(x) for x in value["tickets"]]
            return kind(**value)
        return kind(**{name: self.read(part) for name, part in value.items()})

    def _read_resolution(self, value: dict[str, Any]) -> Resolution:
        number: int = value["resolution"]
        if "lookup" not in value:
            known: Resolution = self._resolutions.thing(number)
            known.reason = value.get("reason", known.reason)
            return known
        parts = {name: self.read(value[name]) for name in _RESOLUTION}
        given = {name: parts.pop(name) for name in _RESOLUTION[:_MADE_BY_KEYWORD]}
        found = Resolution(**given)
        found.answered_at, found.stale_since = (
            parts["answered_at"],
            parts["stale_since"],
        )
        self._resolutions.note(number, found)
        return found
