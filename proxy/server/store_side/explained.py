"""Answers ``waypost explain``: in the running service, or without one.

`core/explained` asks the core; this module fetches what that needs from DNS and the
store.  So a question opens no sockets but those to name servers and store.
"""

import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from ipaddress import ip_address
from typing import Any, Final

from proxy import clock
from proxy.config import Config
from proxy.core import events
from proxy.core.explained.explanation import Explanation, explain, tell
from proxy.core.explained.question import Question, flow_of, message_of, request_of
from proxy.core.proxy import ProxyCore
from proxy.core.validation import COUNTED_METHODS
from proxy.endpoints.codec import endpoint_from_json
from proxy.endpoints.model import Endpoint
from proxy.endpoints.table import EndpointTable
from proxy.location.binding import Binding
from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from proxy.pools.resolver import Resolver
from proxy.server import wiring
from proxy.server.runtime import Runtime
from proxy.server.store_side.asking import AskStore
from proxy.sip.errors import MalformedMessage
from proxy.sip.flow import FlowTable, Listener
from proxy.sip.host import host_port
from proxy.sip.uri import parse_uri
from proxy.store.errors import StoreError
from proxy.store.interface import Store

ROUNDS: Final = 4
"""How often the core is asked again with new answers of DNS or the store."""
METHODS: Final = frozenset(
    word.decode() for word in COUNTED_METHODS if word not in (b"ACK", b"CANCEL")
)
_RNG: Final = random.SystemRandom()
_SOMEWHERE: Final = {4: "192.0.2.1", 6: "2001:db8::1"}


class QuestionError(Exception):
    """The question cannot be asked; the text says what to write instead."""


def read_question(words: Mapping[str, str], core: ProxyCore) -> Question:
    """A question as it was typed; raises QuestionError."""
    uri = words.get("uri", "").strip()
    if not uri:
        raise QuestionError("name the address that is dialled: sip:user@domain")
    listener = _listener(words.get("listener", ""), core.flows.listeners)
    method = (words.get("method") or "INVITE").upper()
    if method not in METHODS:
        raise QuestionError(
            f"--method {method}: use one of {', '.join(sorted(METHODS))}"
        )
    caller = words.get("from") or f"anybody@{min(core.settings.domains, default='x')}"
    family = 6 if ":" in listener.host else 4
    source = words.get("source") or _SOMEWHERE[family]
    try:
        source = str(ip_address(source.strip("[]")))
    except ValueError:
        raise QuestionError(f"--source {source}: write an IP address") from None
    return Question(_uri(uri), _uri(caller), method, source, listener)


def _uri(text: str) -> str:
    """An address with its scheme."""
    return text if ":" in text.partition("@")[0] else f"sip:{text}"


def _listener(wanted: str, listeners: Sequence[Listener]) -> Listener:
    """``tls``, ``10.0.0.5:5061`` or ``tls:10.0.0.5:5061``; the first without a word."""
    known = {f"{x.transport}:{_address(x)}": x for x in listeners}
    for name, listener in known.items():
        if wanted.lower() in ("", name, listener.transport, _address(listener)):
            return listener
    raise QuestionError(f"--listener {wanted}: there are {', '.join(known)}")


def _address(listener: Listener) -> str:
    return host_port(listener.host, listener.port)


class Explainer:
    """Asks one core, and fetches for it what it must wait for.

    ``tell`` lets it hear of something, ``next_probe`` says in how many seconds a front
    end is probed, None when it is not.
    ``knows_health`` is False where no service has made any calls.
    """

    def __init__(
        self,
        core: ProxyCore,
        resolve: Callable[[Lookup], Awaitable[Resolution]],
        ask_store: AskStore,
        now: Callable[[], float],
        tell: Callable[[events.Event], None],
        next_probe: Callable[[FrontEnd], float | None] = lambda _: None,
        *,
        knows_health: bool = True,
    ) -> None:
        self._core = core
        self._resolve = resolve
        self._ask_store = ask_store
        self._now = now
        self._tell = tell
        self._next_probe = next_probe
        self._knows_health = knows_health

    async def answer(self, words: Mapping[str, str]) -> dict[str, Any]:
        """What becomes of the request that ``words`` describe, as JSON values.

        Raises QuestionError.
        """
        question = read_question(words, self._core)
        changed = _rows(words.get("after", ""))
        flow = flow_of(question)
        try:
            data = message_of(question)
            request_of(data, flow)
        except MalformedMessage as error:
            text = (
                f"{question.uri} or {question.from_uri} is no SIP URI: {error.reason}"
            )
            raise QuestionError(text) from None
        table = _changed_table(self._core.router.table, changed) if changed else None
        told, store = await self._ask(data, question, table)
        return {
            "uri": question.uri,
            "from": question.from_uri,
            "method": question.method,
            "source": question.source,
            "listener": f"{question.listener.transport}:{_address(question.listener)}",
            "health_known": self._knows_health,
            "store": store,
            "budget": self._budget(),
            **self._told(told),
        }

    async def _ask(
        self, data: bytes, question: Question, table: EndpointTable | None
    ) -> tuple[Explanation, str]:
        """Ask until nothing is missing; and what the store had to say."""
        found: Sequence[Binding] | None = None
        answers: dict[Lookup, Resolution] = {}
        said = ""
        for _ in range(ROUNDS):
            told = self._once(data, question, found, answers, table)
            if told.asks_store:
                found, said = await self._found(question)
            elif told.needs:
                for lookup in told.needs:
                    answers[lookup] = await self._resolve(lookup)
            else:
                break
        return told, said

    def _once(
        self,
        data: bytes,
        question: Question,
        found: Sequence[Binding] | None,
        answers: Mapping[Lookup, Resolution],
        table: EndpointTable | None,
    ) -> Explanation:
        core, now = self._core, self._now()
        flow = flow_of(question)
        request = request_of(data, flow)
        return explain(core, request, flow, now, found, answers, table, _RNG)

    async def _found(self, question: Question) -> tuple[Sequence[Binding], str]:
        """What the store says of the address that is dialled."""
        aor = parse_uri(question.uri.encode()).key
        try:
            known = await self._ask_store([aor], clock.wall())
        except StoreError as error:
            return (), f"the store could not be asked: {error}"
        for each in known:
            for claim in each.learned:
                self._tell(events.UriTold(*claim))
        bindings = [binding for each in known for binding in each.bindings]
        return bindings, "the store was asked, as it would be for the request"

    def _budget(self) -> dict[str, Any]:
        attempts = self._core.settings.attempts
        return {
            "connect": attempts.connect,
            "silence": attempts.silence,
            "first_answer": attempts.first_answer,
            "total": attempts.total,
            "failover_codes": sorted(attempts.failover_codes),
        }

    def _told(self, told: Explanation) -> dict[str, Any]:
        values = asdict(told)
        del values["asks_store"]
        values["needs"] = [lookup.host for lookup in told.needs]
        attempts = self._core.settings.attempts
        for way in values["ways"]:
            way["failover_codes"] = sorted(attempts.codes_of(way["pool"]))
            for each in way["candidates"]:
                front_end = FrontEnd(
                    each["transport"],
                    each["host"],
                    each["port"],
                    each["name"],
                    way["host"],
                )
                each["next_probe_in"] = self._next_probe(front_end)
                if not self._knows_health:
                    each["state"] = "unknown"
        return values


def _rows(text: str) -> list[Endpoint]:
    """The endpoints of a plan, as JSON; raises QuestionError."""
    try:
        return [endpoint_from_json(row) for row in json.loads(text)] if text else []
    except (ValueError, KeyError, TypeError, AttributeError):
        raise QuestionError("the rows of the plan cannot be read") from None


def _changed_table(table: EndpointTable, rows: Sequence[Endpoint]) -> EndpointTable:
    """The table as it would be with these endpoints in place of what they replace."""
    after = {**table.endpoints, **{each.key: each for each in rows}}
    return EndpointTable(
        after.values(),
        table.pools.values(),
        table.learned_uris(),
        table.version,
        table.cutover,
        table.drains,
    )


def explainer_of(runtime: Runtime) -> Explainer:
    """For the running service."""
    return Explainer(
        runtime.core,
        runtime.resolver.resolve,
        runtime.asking.store,
        runtime.loop.time,
        runtime.step,
        runtime.asking.next_probe,
    )


async def explain_without(
    config: Config, store: Store, words: Mapping[str, str]
) -> dict[str, Any]:
    """For no service: from configuration, store and DNS.  Raises QuestionError."""
    listeners = wiring.listeners_of(config)
    flows = FlowTable(listeners)
    keys = wiring.route_keys(config, await store.hmac_key())
    resolver = Resolver(
        config.dns.nameservers or None,
        {x.transport for x in listeners},
        wiring.families_of(flows),
    )
    settings = wiring.core_settings(config, keys)
    core = ProxyCore(settings, flows, resolver.cached, await store.load_table())
    now = clock.monotonic

    def hear(event: events.Event) -> None:
        tell(core, event, now())

    hear(events.ClockRead(clock.wall() - now()))
    if core.registrar is not None:
        users = {user.name: dict(user.ha1) for user in await store.users()}
        bindings = await store.bindings(None, clock.wall())
        hear(events.LocationLoaded(bindings, users))
    explainer = Explainer(
        core, resolver.resolve, store.look_up, now, hear, knows_health=False
    )
    try:
        # Which names are front ends of a pool is known once the pools are resolved.
        for fqdn, pool in core.router.table.pools.items():
            lookup = Lookup(fqdn, pool.port, pool.transport)
            resolution = await resolver.resolve(lookup)
            hear(events.Resolved(lookup, resolution))
        return await explainer.answer(words)
    finally:
        await resolver.close()
