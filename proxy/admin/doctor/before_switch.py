"""The doctor's checks before a switch, and what their outcome means for it."""

from collections.abc import Iterable

from proxy.admin.control import ControlError, Operator
from proxy.admin.doctor.doctor import Doctor, Step, worst
from proxy.config import Config
from proxy.endpoints.address import Refused, normalise_fqdn
from proxy.endpoints.model import Pool
from proxy.endpoints.plan import Plan


async def examine_pools(
    operator: Operator, config: Config, fqdns: Iterable[str]
) -> list[Step]:
    """DNS and front ends of some pools, as ``cutover apply`` asks before it acts."""
    table = await operator.store.load_table()
    steps = []
    examiner = Doctor(operator, config)
    for fqdn in sorted(set(fqdns)):
        async for step in examiner.pool(table.pool(fqdn) or Pool(fqdn)):
            steps.append(step)
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
