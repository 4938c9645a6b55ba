"""The tables of ``waypost pool show``: what was asked, and who would be tried."""

from proxy.admin.control import PoolView
from proxy.cli import render
from proxy.pools.description import FrontEndRow, PoolDescription, RecordRow


def print_pool(view: PoolView, description: PoolDescription) -> None:
    """The pool, every record, every front end in the order of a request."""
    pool = view.pool
    render.print_properties(
        [
            ("Pool", pool.fqdn),
            ("Transport", pool.transport or "auto"),
            ("Port", str(pool.port or "by SRV records")),
            ("Endpoints", " ".join(view.endpoints) or "none"),
        ]
    )
    if description.records:
        print()
        render.print_table(
            ("Record", "Type", "Answer", "TTL"), list(map(_record, description.records))
        )
    if description.front_ends:
        print()
        render.print_table(
            (
                "Order",
                "Transport",
                "Front end",
                "Address",
                "Priority",
                "Weight",
                "Share",
            ),
            list(map(_front_end, description.front_ends)),
        )


def _record(row: RecordRow) -> tuple[str, str, str, str]:
    answer = row.text or row.problem or "none"
    ttl = render.duration(row.ttl_left) if row.ttl_left > 0 else "-"
    return row.name, row.type, answer, ttl


def _front_end(row: FrontEndRow) -> tuple[str, ...]:
    host = f"[{row.host}]" if ":" in row.host else row.host
    return (
        str(row.position),
        row.transport,
        row.name,
        f"{host}:{row.port}",
        str(row.priority),
        str(row.weight),
        f"{row.share:.0%}",
    )
