"""The warnings about pools that DNS does not know, beside every change."""

from proxy.admin.control import Operator, Outcome
from proxy.admin.doctor.pool_names import doubts, in_use, named_by
from proxy.config import Config
from proxy.store import StoreError


async def doubts_of(operator: Operator, config: Config, outcome: Outcome) -> list[str]:
    """What is to be said of the pools that an outcome's endpoints lead to.

    The change has been made, so this refuses nothing.
    """
    names = named_by(outcome.changes)
    if not names:
        return []
    try:
        table = await operator.store.load_table()
    except StoreError:  # gone just now, and the change is made
        return []
    return await doubts(config, table, names, in_use(config, table))
