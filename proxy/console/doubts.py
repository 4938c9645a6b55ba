"""The warnings about pools that DNS does not know, given beside every change."""

from proxy.admin.control import Operator, Outcome
from proxy.admin.doctor.pool_names import doubts, in_use, named_by
from proxy.config import Config
from proxy.store import StoreError


async def doubts_of(operator: Operator, config: Config, outcome: Outcome) -> list[str]:
    """Warnings about the pools that an outcome's endpoints lead to.

    The change has been made already, so nothing is refused here.
    """
    names = named_by(outcome.changes)
    if not names:
        return []
    try:
        table = await operator.store.load_table()
    except StoreError:  # it has gone just now, but the change is made
        return []
    return await doubts(config, table, names, in_use(config, table))
