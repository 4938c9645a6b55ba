"""The pages of the admin listener: /health, /ready, /metrics, /status, /pool,
/explain, /drain.

``/health`` says that the process works and stays 200 while it drains, so that no
orchestrator kills it then; ``/ready`` says that new requests are welcome.
"""

import socket
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, Final

import structlog

from proxy import __version__, clock
from proxy.admin.listener.http import HttpListener, Page, Reply
from proxy.admin.listener.token import TokenError, make_token
from proxy.config.model import Config
from proxy.net.errors import NetError, bind_error
from proxy.server.chat_probe.results import ChatResults
from proxy.server.drain import Drain, open_transactions
from proxy.server.front_ends.seen import (
    answer_pool,
    drained,
    pool_at_a_glance,
    pool_page,
)
from proxy.server.readings import read_all
from proxy.server.recording import calls, live, recorder_state, trace
from proxy.server.runtime import Runtime
from proxy.server.state import ServiceState, cutover_to_show
from proxy.server.store_side.explained import QuestionError, explainer_of
from proxy.server.tasks import ROUTING
from proxy.server.wiring import listeners_of
from proxy.sip.host import host_port
from proxy.telemetry.metrics import CONTENT_TYPE, Metrics

log = structlog.get_logger()

STATUS_VERSION: Final = 1
"""The version of ``/status``: it grows when a key is removed or changes its meaning,
but not when one is added."""


async def open_admin(config: Config, pages: dict[str, Page]) -> HttpListener | None:
    """Serve ``pages`` as ``[admin]`` says; None when it turns the listener off.

    Raises NetError when a configured address cannot be bound.  The default address may
    belong to another Waypost on this machine, and then we serve without pages.
    """
    address = config.admin.address
    if address is None:
        return None
    is_local = ip_address(address.host).is_loopback
    try:
        token = make_token(config)
    except TokenError as error:
        if not is_local:
            raise NetError(str(error)) from None
        log.warning("admin.no_token", reason=str(error))
        token = ""
    listener = HttpListener(
        pages,
        token,
        trusts_local=is_local and not config.admin.token,
        domains=_own_names(config),
    )
    try:
        host, port = await listener.open(address.host, address.port)
    except OSError as error:
        problem = bind_error("admin", address.host, address.port, error)
        if config.admin.is_chosen:
            raise problem from None
        log.warning("admin.unavailable", reason=str(problem))
        return None
    log.info("admin.started", listen=host_port(host, port))
    return listener


def _own_names(config: Config) -> frozenset[str]:
    """The names, and domains with all names below them, that only our own DNS or hosts
    can give to an address; the Host of a request must be one of them (decision 96)."""
    names = {
        "localhost",
        socket.gethostname().lower(),
        *config.domains,
        *config.admin.hosts,
    }
    if config.advertised_host:
        names.add(config.advertised_host.lower())
    return frozenset(names)


def pages(runtime: Runtime, state: ServiceState, drain: Drain) -> dict[str, Page]:
    """Every page by its path."""
    tally = _tally_of(runtime)
    metrics = Metrics(lambda: read_all(runtime, state), tally)

    def scrape() -> Reply:
        runtime.access.flush()
        tally.begin_at_zero(runtime.core.router.table.pools)
        return Reply(200, metrics.exposition(), CONTENT_TYPE)

    def begin_drain() -> Reply:
        return Reply.json({"phase": "draining", "open": drain.begin()}, 202)

    return {
        **open_pages(state, lambda: runtime.tasks.down, lambda: state.store),
        "/metrics": Page(scrape),
        "/status": Page(_status_page(runtime, state)),
        "/explain": Page(_explain_page(runtime), takes_query=True),
        "/pool": Page(
            lambda query: answer_pool(pool_page(runtime, state, query)),
            takes_query=True,
        ),
        "/drain": Page(begin_drain, "POST"),
        "/calls": private(lambda query: calls(runtime, query)),
        "/trace/live": Page(
            lambda query: Reply.json(live(runtime, query)),
            "POST",
            is_private=True,
            takes_query=True,
        ),
        "/trace": private(lambda query: trace(runtime, query)),
    }


def private(answer: Callable[[Mapping[str, str]], Any]) -> Page:
    """A page that tells who called whom, so it is served only with the token."""
    return Page(
        lambda query: Reply.json(answer(query)), is_private=True, takes_query=True
    )


def _explain_page(runtime: Runtime) -> Callable[..., Awaitable[Reply]]:
    async def explain(words: Mapping[str, str]) -> Reply:
        try:
            return Reply.json(await explainer_of(runtime).answer(words))
        except QuestionError as error:
            return Reply.text(400, str(error))

    return explain


def starting_pages(config: Config, state: ServiceState) -> dict[str, Page]:
    """The pages while the start waits for something."""
    return {
        **open_pages(state, dict),
        "/status": Page(lambda: Reply.json(starting_status(config, state))),
    }


def starting_status(config: Config, state: ServiceState) -> dict[str, Any]:
    """The service at a glance before it serves anything."""
    return {
        "status_version": STATUS_VERSION,
        "version": __version__,
        "phase": state.phase,
        "waits_for": state.waits_for,
        "up_seconds": round(state.age, 1),
        "listeners": [
            {"transport": x.transport, "address": x.host, "port": x.port}
            for x in listeners_of(config)
        ],
        "store": "not open yet",
        **state.serves,
        "store_away_since": None,
        "store_away_seconds": None,
        "store_writable": None,
        "store_unwritable_since": None,
        "store_unwritable_seconds": None,
        "cutover": None,
        "cutover_problem": "",
        "guard": None,
        "recorder": None,
        "needs_restart": state.needs_restart,
        "certificates": [],
        "down": {},
        "table_version": 0,
        "endpoints": 0,
        "bindings": 0,
        "conflicts": 0,
        "open_transactions": 0,
        "connections": 0,
        "errors": 0,
        "other_nodes": [],
        "drained": [],
        "pools": {},
        "chat_probe": ChatResults().to_json(0.0),
    }


def open_pages(
    state: ServiceState,
    down: Callable[[], Mapping[str, str]],
    store: Callable[[], str] = lambda: "ok",
) -> dict[str, Page]:
    """The pages that need no token anywhere.

    ``down`` is that of ``Tasks``, ``store`` that of ``ServiceState``.  When the store
    is away or cannot be written, the page says so and stays ready: calls go on, and
    otherwise every node that shares the store would leave the load balancer at once.
    """

    def health() -> Reply:
        return Reply.text(200, "ok")

    def ready() -> Reply:
        failed = down()
        is_ready = state.is_ready and not failed.keys() & ROUTING
        said = f"; down: {' '.join(sorted(failed))}" if failed else ""
        if (trouble := store()) != "ok":
            # The reason may name internals, so only /status shows it.
            said += f"; store: {trouble.partition(':')[0]}"
        if state.waits_for:
            said += f"\nwaiting: {state.waits_for}"
        return Reply.text(200 if is_ready else 503, state.phase + said)

    return {
        "/health": Page(health, is_open=True),
        "/ready": Page(ready, is_open=True),
    }


def _tally_of(runtime: Runtime) -> Any:
    tally = runtime.access.tally
    assert tally is not None, "the lifecycle gives the access log a tally"
    return tally


def _status_page(runtime: Runtime, state: ServiceState) -> Callable[[], Reply]:
    return lambda: Reply.json(status(runtime, state))


def status(runtime: Runtime, state: ServiceState) -> dict[str, Any]:
    """The service at a glance; durations are seconds."""
    core = runtime.core
    table = core.router.table
    return {
        "status_version": STATUS_VERSION,
        "version": __version__,
        "phase": state.phase,
        "up_seconds": round(state.age, 1),
        "listeners": [
            {"transport": x.transport, "address": x.host, "port": x.port}
            for x in core.flows.listeners
        ],
        "store": state.store,
        **state.serves,
        **_store_away(state),
        **_store_writes(state),
        "cutover": cutover_to_show(table.cutover),
        "cutover_problem": state.cutover_problem,
        "guard": state.guard.to_json(),
        "recorder": recorder_state(runtime),
        "needs_restart": state.needs_restart,
        "certificates": [
            {"file": file, "ends_in": round(shown.expires - clock.wall())}
            for file, shown in runtime.certificates.shown.items()
        ],
        "down": dict(runtime.tasks.down),
        "table_version": table.version,
        "endpoints": len(table.endpoints),
        "bindings": len(core.location),
        "conflicts": core.registrar.conflicts if core.registrar else 0,
        "open_transactions": open_transactions(core),
        "connections": len(runtime.network.streams.connections),
        "errors": runtime.errors,
        "other_nodes": core.router.nodes.uris(),
        "drained": drained(runtime),
        "pools": {
            fqdn: pool_at_a_glance(runtime, fqdn) for fqdn in runtime.pool_lookups()
        },
        "chat_probe": state.chat_probes.to_json(runtime.loop.time()),
    }


def _store_away(state: ServiceState) -> dict[str, Any]:
    """Since when the store has been silent; nulls while it answers."""
    away = state.store_away_for
    since = datetime.fromtimestamp(state.store_answered_at, UTC)
    return {
        "store_away_since": None if away is None else since.isoformat("T", "seconds"),
        "store_away_seconds": None if away is None else round(away, 1),
    }


def _store_writes(state: ServiceState) -> dict[str, Any]:
    """Since when the store takes no change; nulls while it does."""
    lasts = state.writes.lasts
    return {
        "store_writable": lasts is None,
        "store_unwritable_since": None if lasts is None else state.unwritable_since,
        "store_unwritable_seconds": None if lasts is None else round(lasts, 1),
    }
