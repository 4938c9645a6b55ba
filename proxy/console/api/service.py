"""The running service and its configuration: ``status``, ``drain`` and ``config``."""

from dataclasses import asdict
from typing import Any

from fastapi import Request
from starlette.responses import Response

from proxy.admin import preflight
from proxy.admin.as_json import steps_to_json
from proxy.admin.doctor.verdicts import Step
from proxy.admin.listener import client
from proxy.admin.observed.nodes import nodes
from proxy.admin.storage import check as checking
from proxy.clock import wall
from proxy.console.api.routing import Answer, Api, Conf, TheDesk, WhatIf
from proxy.console.jobs import EVENT_STREAM, Tell, answer_job
from proxy.console.schemas.weekend import (
    CheckStep,
    DoctorView,
    Draining,
    NodeView,
    StatusView,
)

api = Api("service")


@api.get("/status", StatusView)
async def get_status(config: Conf, desk: TheDesk) -> Response:
    """How the running service is; 424 when it does not answer."""
    return Answer(await desk.in_thread(client.call_json, config, "GET", "/status"))


@api.get("/nodes", list[NodeView])
async def get_nodes(config: Conf, desk: TheDesk) -> Response:
    """Every node of this store: whether it answers, and how it is."""
    return Answer(await desk.in_thread(nodes, config))


@api.post("/drain", Draining, role="admin")
async def drain(config: Conf, desk: TheDesk, what_if: WhatIf = False) -> Response:
    """Take no new requests, let what has begun end, then stop the service."""
    if what_if:
        found = await desk.in_thread(client.call_json, config, "GET", "/status")
        return Answer({"open": found["open_transactions"], "what_if": True})
    return Answer(await desk.in_thread(client.call_json, config, "POST", "/drain"))


@api.get("/config", dict[str, Any], role="admin")
async def get_config(config: Conf) -> Response:
    """Every value in force, defaults too, secrets not."""
    return Answer(config.effective())


@api.post(
    "/store/check", DoctorView, media=(EVENT_STREAM,), role="admin", is_whole=True
)
async def check_store(request: Request, config: Conf) -> Response:
    """Is the store whole, of this version, and can the service write it?"""

    async def job(tell: Tell) -> Any:
        def found(step: Step) -> None:
            tell("step", asdict(step))

        return steps_to_json(await checking.check(config.store_url, wall(), found))

    return await answer_job(request, job)


@api.post("/config/check", list[CheckStep], media=(EVENT_STREAM,), role="admin")
async def check_config(request: Request, config: Conf) -> Response:
    """Do everything that start does, short of listening: files, keys, DNS, store."""

    async def job(tell: Tell) -> Any:
        steps = [step.to_json() for step in await preflight.check(config)]
        for step in steps:
            tell("step", step)
        return steps

    return await answer_job(request, job)
