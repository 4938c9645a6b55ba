"""The doctor's checks before a switch, and what their outcome means for it."""

from collections.abc import Callable, Iterable, Sequence

from proxy.admin.control import ControlError, Operator
from proxy.admin.doctor.doctor import Doctor
from proxy.admin.doctor.pool_names import in_use, look, named_by
from proxy.admin.doctor.verdicts import Step, worst
from proxy.config import Config
from proxy.endpoints.address import Refused, normalise_fqdn
from proxy.endpoints.changes import RowChange
from proxy.endpoints.model import Pool
from proxy.endpoints.plan import Plan
from proxy.facts.model import Finding


def as_steps(findings: Iterable[Finding]) -> list[Step]:
    """What Lync's facts say, among the doctor's own steps."""
    return [Step(x.of, x.name, x.verdict, x.text, x.fix) for x in findings]


async def look_at_plan(
    operator: Operator,
    config: Config,
    plan: Plan,
    changes: Iterable[RowChange],
    findings: Sequence[Finding] = (),
) -> list[Step]:
    """What can be said of a plan without asking its pools.

    ``changes`` are those that it would make.
    """
    table = await operator.store.load_table()
    doctor = Doctor(operator, config, findings)
    steps = as_steps(findings)
    steps += [step async for step in doctor.conflicts_of(plan)]
    used = in_use(config, table)
    return steps + await look(config, table, named_by(changes), used)


def _unheard(step: Step) -> None:
    """Nobody listens while it is looked at."""


async def examine_pools(
    operator: Operator,
    config: Config,
    fqdns: Iterable[str],
    tell: Callable[[Step], None] = _unheard,
) -> list[Step]:
    """DNS and front ends of some pools, as ``cutover apply`` asks before it acts.

    ``tell`` hears each step when it is known.
    """
    table = await operator.store.load_table()
    steps = []
    examiner = Doctor(operator, config)
    for fqdn in sorted(set(fqdns)):
        async for step in examiner.pool(table.pool(fqdn) or Pool(fqdn)):
            steps.append(step)
            tell(step)
    return steps


def refuse_when_failed(steps: Iterable[Step], force: bool) -> bool:
    """Whether ``--force`` was needed; raises ControlError when it was not given."""
    if worst(steps) != "failed":
        return False
    if not force:
        raise ControlError(
            "the doctor advises against it: do what the lines above say, or go on in "
            "spite of it with --force"
        )
    return True


def pools_of(planned: Plan) -> list[str]:
    """The pools of a plan; raises ControlError for a text that is no pool's name."""
    try:
        return [normalise_fqdn(change.pool_fqdn) for change in planned.changes]
    except Refused as refusal:
        raise ControlError(str(refusal)) from None
