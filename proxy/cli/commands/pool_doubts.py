"""The warnings about pools that DNS does not know, as every change tells them."""

import asyncio
import sys

from proxy.admin.control import Operator, Outcome
from proxy.admin.doctor.pool_names import doubts, in_use, named_by
from proxy.cli.session import Session
from proxy.endpoints.table import EndpointTable
from proxy.store import StoreError


def pool_doubts(session: Session, outcome: Outcome) -> list[str]:
    """Doubts about the pools that the outcome's endpoints lead to.

    The change has been made, so this refuses nothing.  People read it on standard
    error, where a pipe does not take it for a result.
    """
    names = named_by(outcome.changes)
    if not names:
        return []

    async def table_of(operator: Operator) -> EndpointTable:
        return await operator.store.load_table()

    config = session.config()
    try:
        table = session.operate(table_of)
    except StoreError:  # gone just now, and the change is made
        return []
    found = asyncio.run(doubts(config, table, names, in_use(config, table)))
    if not session.json:
        warn(found)
    return found


def warn(found: list[str]) -> None:
    """Tell them on standard error."""
    for text in found:
        print(f"waypost: warning: {text}", file=sys.stderr)
