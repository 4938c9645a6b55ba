"""``waypost doctor``: can these endpoints be served now?"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import typer

from proxy.admin.as_json import steps_to_json
from proxy.admin.control import ControlError, Operator
from proxy.admin.cutover import read_plan
from proxy.admin.doctor.before_switch import as_steps
from proxy.admin.doctor.doctor import Doctor
from proxy.admin.doctor.serving import service_step
from proxy.admin.doctor.verdicts import Step, summary
from proxy.admin.facts import about, address_of, findings_of
from proxy.admin.in_force import is_in_force
from proxy.cli.commands.endpoint import Identity
from proxy.cli.commands.judged import FactsFile, Strict, end, read
from proxy.cli.hosting.host import HOST
from proxy.cli.screen import render
from proxy.cli.screen.steps import print_steps, print_summary
from proxy.cli.session import Session
from proxy.config import Config

Certificate = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A client's certificate, PEM, to show to our TLS listeners; else ours.",
    ),
]
Key = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Its key, when it is not in the same file."),
]


def doctor(
    context: typer.Context,
    identity: Identity = None,
    journey: Annotated[
        bool,
        typer.Option(
            "--journey",
            help="Play a legacy client's start as well, to the channel: through the "
            "proxy on each listener; what is only planned straight to the pool.",
        ),
    ] = False,
    plan: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="What this plan would make or switch, beforehand."
        ),
    ] = None,
    facts: FactsFile = None,
    certificate: Certificate = None,
    key: Key = None,
    strict: Strict = False,
) -> None:
    """Examine one endpoint, or all: service, listeners, conflict, DNS, TLS, OPTIONS."""
    session: Session = context.obj
    _refuse_keys_of_elsewhere(certificate, key)
    planned = None if plan is None else read_plan(plan)
    if planned is not None and identity is not None:
        raise ControlError("examine an endpoint or a plan, not both at once")
    known = read(facts)
    steps: list[Step] = []

    async def work(operator: Operator) -> None:
        config = session.config()
        # Slow to import, and only this command looks at listeners.
        from proxy.admin.doctor import listeners
        from proxy.admin.doctor.journeys import Journeys

        # Refused before anything is shown, or half a list would look like all of it.
        address = await address_of(operator, identity)
        found = about(await findings_of(operator, config, known, planned), address)
        async for step in _our_side(operator, config):
            _tell(session, steps, step)
        ours = await listeners.look(config, certificate, key)
        for step in [*listeners.steps_of(ours), *as_steps(found)]:
            _tell(session, steps, step)
        examiner = Doctor(operator, config, found)
        play = Journeys(config, ours, planned is not None) if journey else None
        count = len(steps)
        async for step in examiner.all(identity, planned, play):
            _tell(session, steps, step)
        if not session.json and len(steps) == count:
            print("no endpoints")

    session.operate(work)
    if session.json:
        render.print_json(steps_to_json(steps))
    else:
        print_summary(summary(steps))
    end(steps, strict)


def _refuse_keys_of_elsewhere(*files: Path | None) -> None:
    """Raises ControlError: OpenSSL reads paths, and those would be the console's."""
    if HOST.get() is not None and any(files):
        raise ControlError(
            "a private key stays on its machine: type --certificate and --key on the "
            "machine of the service, without --server"
        )


async def _our_side(operator: Operator, config: Config) -> AsyncIterator[Step]:
    version = await operator.store.table_version()
    is_in_force(config, version)  # it may be about to take a change over
    yield service_step(config, version)


def _tell(session: Session, steps: list[Step], step: Step) -> None:
    """People see each as it comes."""
    steps.append(step)
    if not session.json:
        print_steps([step])
