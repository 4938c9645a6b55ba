"""What the running service has seen, and would do: calls, traces, explain.

Addresses do not divide who called whom, so a caller with a scope sees none of it
(decision 123).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Query, Request
from starlette.responses import Response

from proxy.admin.control import refusals
from proxy.admin.listener.client import AdminError
from proxy.admin.observed import calls as verbs
from proxy.admin.observed import explaining
from proxy.admin.observed.asking import Told
from proxy.console.api.cutovers import share_of
from proxy.console.api.routing import Answer, Api, Conf, Op, TheCaller, TheDesk
from proxy.console.desk import Desk
from proxy.console.jobs import EVENT_STREAM, Tell, answer_job
from proxy.console.problems import Problem
from proxy.console.schemas.observed import (
    BodiesOf,
    BothExplained,
    ExplainedView,
    Followed,
    Question,
    TraceView,
)
from proxy.console.schemas.seen import CallLine
from proxy.endpoints.plan import read_plan
from proxy.recorder.ladder import steps_of
from proxy.recorder.pcap import capture_of

api = Api("observed")

PCAP: Final = "application/vnd.tcpdump.pcap"
SILENT: Final = "X-Waypost-Silent"
"""The header of an answer that names the nodes that did not answer us."""
LOOK: Final = 0.5
"""Seconds between two looks of a live trace."""
LONGEST: Final = 3600.0

Word = Annotated[str, Query(max_length=1024)]
Sender = Annotated[
    str, Query(alias="from", max_length=1024, description="alice will do.")
]
Instant = Annotated[datetime | None, Query(description="An instant, ISO 8601.")]
CallId = Annotated[str, Query(min_length=1, max_length=1024)]


def _words(**given: object) -> dict[str, str]:
    """A question to the service, without the words that are empty."""
    found = {}
    for name, value in given.items():
        if isinstance(value, datetime):
            value = value.timestamp()
        if value is True:
            value = 1
        if value not in ("", None, False):
            found[name.rstrip("_")] = str(value)
    return found


class _Silent:
    """Hears of nodes that did not answer, for a header beside what others said."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}

    def __call__(self, silent: Sequence[Told]) -> None:
        if silent:
            self.headers[SILENT] = ", ".join(each.node for each in silent)


@api.get("/calls", list[CallLine], role="operator", is_whole=True)
async def get_calls(
    config: Conf,
    desk: TheDesk,
    aor: Word = "",
    endpoint: Word = "",
    failed: bool = False,
    since: Instant = None,
    until: Instant = None,
    limit: Annotated[int, Query(ge=1, le=verbs.MOST_LINES)] = 50,
) -> Response:
    """The last calls, the newest first; 424 when the service does not answer."""
    words = _words(
        aor=aor,
        endpoint=endpoint,
        failed=failed,
        since=since,
        until=until,
        limit=limit,
    )
    silent = _Silent()
    lines = await desk.in_thread(verbs.last_calls, config, words, silent)
    return Answer(lines, headers=silent.headers)


@api.get("/traces", list[TraceView], role="operator", is_whole=True)
async def get_traces(
    config: Conf,
    desk: TheDesk,
    failed: bool = False,
    from_: Sender = "",
    endpoint: Word = "",
    source: Word = "",
    pool: Word = "",
    since: Instant = None,
    until: Instant = None,
    limit: Annotated[int, Query(ge=1, le=verbs.MOST_CALLS)] = 10,
    raw: Annotated[bool, Query(description="The messages too, masked.")] = False,
) -> Response:
    """The calls that are kept and fit, the newest first, each as a ladder."""
    words = _words(
        failed=failed,
        from_=from_,
        endpoint=endpoint,
        source=source,
        pool=pool,
        since=since,
        until=until,
        limit=limit,
    )
    silent = _Silent()
    found = await desk.in_thread(verbs.traces, config, words, silent)
    return Answer([_view(each, raw=raw) for each in found], headers=silent.headers)


@api.get("/traces/call", TraceView, role="operator", is_whole=True)
async def get_trace(
    config: Conf, desk: TheDesk, call_id: CallId, raw: bool = False
) -> Response:
    """One call as a ladder: kept, or not yet forgotten."""
    return Answer(_view(await one_call(config, desk, call_id), raw=raw))


@api.get("/traces/capture", str, media=(PCAP,), role="operator", is_whole=True)
async def get_capture(config: Conf, desk: TheDesk, call_id: CallId) -> Response:
    """One call as a file for Wireshark, masked."""
    data = capture_of([await one_call(config, desk, call_id)])
    headers = {"Content-Disposition": 'attachment; filename="call.pcap"'}
    return Response(data, headers=headers, media_type=PCAP)


@api.post("/traces/bodies", TraceView, is_whole=True)
async def get_bodies(
    body: BodiesOf, config: Conf, desk: TheDesk, operator: Op
) -> Response:
    """One call with what people wrote, where it is kept; the history notes it."""
    await verbs.note_bodies(operator, config, body.call_id)
    more = {"bodies": "1", "by": operator.actor.name}
    found = await one_call(config, desk, body.call_id, more)
    return Answer(_view(found, raw=True))


@api.get(
    "/traces/live", Followed, media=(EVENT_STREAM,), role="operator", is_whole=True
)
async def follow_calls(
    request: Request,
    config: Conf,
    desk: TheDesk,
    caller: TheCaller,
    from_: Sender = "",
    call_id: Word = "",
    endpoint: Word = "",
    source: Word = "",
    pool: Word = "",
    seconds: Annotated[float, Query(gt=0, le=LONGEST, alias="for")] = 60.0,
) -> Response:
    """Everything that fits, from now on: an event ``message`` for each."""
    wanted = _words(
        from_=from_, call_id=call_id, endpoint=endpoint, source=source, pool=pool
    )
    if not wanted:
        text = "say which calls: from, call_id, endpoint, source or pool"
        raise Problem(422, text, "refused")
    verbs.check_filter(wanted)

    async def job(tell: Tell) -> Any:
        with desk.following(caller):
            name = await desk.in_thread(verbs.begin_live, config, wanted, seconds)
            try:
                count = await _follow(desk, verbs.Followed(config, name), seconds, tell)
            finally:
                # Shielded: the reader may be gone, and the service must still hear it.
                await asyncio.shield(desk.in_thread(verbs.end_live, config, name))
            return {"name": name, "messages": count}

    return await answer_job(request, job)


async def _follow(
    desk: Desk, followed: verbs.Followed, seconds: float, tell: Tell
) -> int:
    loop, count = asyncio.get_running_loop(), 0
    end = loop.time() + seconds
    while True:
        is_over = loop.time() >= end
        for message, call in await desk.in_thread(followed.fresh):
            tell("message", {"call_id": call["call_id"], **message})
            count += 1
        if is_over:
            return count
        await asyncio.sleep(max(0.05, min(LOOK, end - loop.time())))


async def one_call(
    config: Conf, desk: Desk, call_id: str, more: dict[str, str] | None = None
) -> verbs.Call:
    """One call that is kept, or not yet forgotten; raises Problem."""
    words = {"call_id": call_id, "one": "1", **(more or {})}
    found = await desk.in_thread(verbs.traces, config, words)
    if not found:
        text = f'nothing is kept of "{call_id}": calls that went well are remembered '
        raise Problem(404, text + "for minutes only", "missing")
    call: verbs.Call = found[0]
    return call


def _view(call: verbs.Call, *, raw: bool) -> dict[str, Any]:
    peers, steps = steps_of(call)
    more = {"peers": [asdict(x) for x in peers], "steps": [asdict(x) for x in steps]}
    return {**call, **more, "messages": call["messages"] if raw else None}


# -- explain -------------------------------------------------------------------------


@api.get("/explain", ExplainedView, role="operator", is_whole=True)
async def explain(
    config: Conf,
    desk: TheDesk,
    uri: Annotated[str, Query(min_length=1, max_length=1024)],
    from_: Sender = "",
    method: Annotated[str, Query(max_length=40)] = "INVITE",
    source: Annotated[str, Query(max_length=80)] = "",
    listener: Annotated[str, Query(max_length=80)] = "",
) -> Response:
    """What would become of a request, rule by rule. Sends none."""
    words = {"uri": uri, "from": from_, "method": method, "source": source}
    return Answer(await explained(desk, config, {**words, "listener": listener}))


@api.post("/explain", BothExplained, is_whole=True)
async def explain_plan(
    body: Question, config: Conf, desk: TheDesk, operator: Op
) -> Response:
    """The same before and after a plan, which changes nothing."""
    with refusals():
        plan = read_plan(body.plan, "plan.toml")
    rows = await explaining.after(operator, plan, share_of(body.percent, body.pilots))
    words = {
        "uri": body.uri,
        "from": body.from_,
        "method": body.method,
        "source": body.source,
        "listener": body.listener,
    }
    now = await explained(desk, config, words)
    asked = explaining.with_rows(words, now, rows)
    return Answer({"before": now, "after": await explained(desk, config, asked)})


async def explained(
    desk: Desk, config: Conf, words: explaining.Words
) -> dict[str, Any]:
    """The service's answer, or what configuration and store say without it."""
    try:
        found = await desk.in_thread(explaining.ask_service, config, words)
        return {**found, "service": ""}
    except AdminError as error:
        if desk.explain_here is None:
            raise
        problem = str(error)
    return {**await desk.explain_here(config, words), "service": problem}
