"""Play a flow through a proxy and write down what each end received; compare two.

A record keeps what a proxy is answerable for: methods and statuses in their order,
Request-URI, Max-Forwards, the shape of Via, Route and Record-Route, every other header
line as it stands, the body.  Addresses, tags and tokens are replaced by names.
"""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from proxy.journey.wire import Message, route_set
from tests.interop.ends import End, FlowBroke
from tests.interop.flows import BRIDGED, FAILOVER, PLAIN, Flow, Stage
from tests.support.scene import FRONT_END_HOSTS, OpenScene

# Header lines that a proxy may write as it likes into its own responses.
OWN_WORDS = frozenset({"server", "warning", "ms-diagnostics", "content-length"})
SHAPED = frozenset({"via", "route", "record-route", "max-forwards", "call-id"})
TAGS = frozenset({"near", "far"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One message as an end received it."""

    what: str
    uri: str
    hops: str
    via: tuple[str, ...]
    route: tuple[str, ...]
    record_route: tuple[str, ...]
    rest: tuple[str, ...]
    body: bytes


@dataclass(slots=True)
class Record:
    """What a flow left behind: by end, with the flow's notes, or why it broke."""

    ends: dict[str, list[Entry]] = field(default_factory=dict)
    notes: dict[str, object] = field(default_factory=dict)
    broke: str = ""


class Names:
    """Addresses and tags to names, so that two runs can be compared."""

    def __init__(self, stage: Stage) -> None:
        host, port = stage.proxy
        self._pairs = [(f"{host}:{port}", "PROXY")]
        for number, end in enumerate(stage.front_ends, 1):
            self._pairs.append((f"{end.host}:{end.port}", f"FE{number}"))
        self._caller = re.compile(re.escape(stage.caller.host) + r":\d+")

    def apply(self, text: str) -> str:
        """``text`` with names in it."""
        for address, name in self._pairs:
            text = text.replace(address, name)
        text = self._caller.sub("CALLER", text)
        # A connection of ours has an ephemeral port: the host tells whose it is.
        for address, name in self._pairs:
            text = re.sub(re.escape(address.split(":")[0]) + r":\d+", name, text)
        return re.sub(
            r";tag=([^;\s>]+)",
            lambda found: f";tag={found[1] if found[1] in TAGS else 'OTHER'}",
            text,
        )

    def via(self, value: str) -> str:
        """Transport, sent-by, and whether there is a branch."""
        protocol, _, rest = value.partition(" ")
        sent_by = self.apply(rest.split(";")[0].strip())
        branch = " branch" if "branch=z9hG4bK" in value else ""
        return f"{protocol.rpartition('/')[2].upper()} {sent_by}{branch}"

    def hop(self, value: str) -> str:
        """A Route or Record-Route value: host, transport, lr; no token."""
        inside = value.partition("<")[2].partition(">")[0]
        host = self.apply(inside.partition(":")[2].rpartition("@")[2].split(";")[0])
        transport = re.search(r";transport=(\w+)", inside)
        loose = ";lr" if re.search(r";lr(?=[=;]|$)", inside) else ""
        return f"{host};{transport[1].lower() if transport else 'udp'}{loose}"

    def entry(self, message: Message) -> Entry:
        """The entry of one message."""
        request = message.is_request
        own = OWN_WORDS if not request else frozenset({"content-length"})
        rest = (
            f"{name}: {self.apply(value)}"
            for name, value in message.headers
            if name.lower() not in SHAPED | own
        )
        vias = [v for line in message.get_all("Via") for v in line.split(",")]
        return Entry(
            message.method if request else f"{message.status} {message.method}",
            self.apply(message.uri) if request else "",
            message.get("Max-Forwards"),
            tuple(self.via(value.strip()) for value in vias),
            tuple(self.hop(value) for value in message.get_all("Route")),
            tuple(self.hop(value) for value in route_set(message)),
            tuple(rest),
            message.body,
        )


async def play(stage: Stage, flow: Flow) -> Record:
    """Play one flow on a stage; a broken one is part of the record."""
    record = Record()
    try:
        await flow(stage)
        await asyncio.sleep(0.03)  # what should not come any more
    except (FlowBroke, OSError, ValueError) as problem:
        record.broke = str(problem)
    names = Names(stage)
    for end in (stage.caller, *stage.front_ends):
        seen: set[bytes] = set()
        entries = record.ends[end.name] = []
        for message, raw in zip(end.received, end.raw, strict=True):
            if raw not in seen:  # a retransmission is a matter of timing
                entries.append(names.entry(message))
            seen.add(raw)
    record.notes = dict(stage.notes)
    await stage.caller.close()
    for front_end in stage.front_ends:
        front_end.forget()
    return record


async def play_all(directory: Path, open_scene: OpenScene) -> dict[str, Record]:
    """Every flow through one proxy; the failover flows get a fresh one each."""
    records: dict[str, Record] = {}
    groups: list[tuple[dict[str, Flow], int, str | None]] = [(PLAIN, 1, None)]
    groups += [({name: flow}, 2, None) for name, flow in FAILOVER.items()]
    groups += [(BRIDGED, 1, "udp")]
    for number, (flows, size, transport) in enumerate(groups):
        place = directory / str(number)
        place.mkdir(parents=True)
        front_ends = [End(f"fe{n + 1}", FRONT_END_HOSTS[n]) for n in range(size)]
        for front_end in front_ends:
            await front_end.listen()
        targets = [(front_end.host, front_end.port) for front_end in front_ends]
        try:
            async with open_scene(place, targets, transport) as scene:
                for name, flow in flows.items():
                    records[name] = await play(Stage(scene.proxy, front_ends), flow)
        finally:
            for front_end in front_ends:
                await front_end.close()
    return records


def differences(twin: Record, ours: Record) -> Iterator[str]:
    """What tells the second record from the first, one sentence each."""
    if twin.broke != ours.broke:
        yield f"broke: {twin.broke or 'no'} | {ours.broke or 'no'}"
    for name in twin.ends:
        before, after = twin.ends[name], ours.ends[name]
        sequences = [[entry.what for entry in side] for side in (before, after)]
        if sequences[0] != sequences[1]:
            yield f"{name} got {sequences[0]} | {sequences[1]}"
            continue
        for old, new in zip(before, after, strict=True):
            for what in ("uri", "hops", "via", "route", "record_route", "rest", "body"):
                if getattr(old, what) != getattr(new, what):
                    yield (
                        f"{name} {old.what} {what}: "
                        f"{getattr(old, what)} | {getattr(new, what)}"
                    )
    if twin.notes != ours.notes:
        yield f"notes: {twin.notes} | {ours.notes}"
