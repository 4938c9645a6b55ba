"""``waypost status`` and ``waypost drain``: a running service, through its listener."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

import typer

from proxy.admin.control import ControlError
from proxy.admin.listener import client
from proxy.admin.observed.nodes import nodes
from proxy.cli.screen import render
from proxy.cli.screen.chat_probe import chat_probe_rows
from proxy.cli.screen.drained import drain_line
from proxy.cli.screen.output import made
from proxy.cli.session import Session
from proxy.sip.host import host_port

_MIB = 1024 * 1024


def status(
    context: typer.Context,
    ready: Annotated[
        bool,
        typer.Option("--ready", help="Only: does it take new requests? Exit code 0."),
    ] = False,
) -> None:
    """The state of the running service: listeners, endpoints, pools, front ends."""
    session: Session = context.obj
    try:
        if ready:
            _print_phase(session)
            return
        config = session.config()
        try:
            found = client.call_json(config, "GET", "/status")
        except client.AdminError as error:
            if not config.admin.nodes:
                raise
            _print_others(session, nodes(config))
            raise ControlError(f"only the other nodes are shown: {error}") from None
        if config.admin.nodes:
            found["nodes"] = nodes(config)
    except client.AdminError as error:
        raise ControlError(str(error)) from None
    if session.json:
        render.print_json(found)
    else:
        _print_status(found)


def _print_others(session: Session, rows: list[dict[str, Any]]) -> None:
    """What there is to see of a store whose node here does not answer."""
    found = {"nodes": rows}
    if session.json:
        render.print_json(found)
    else:
        render.print_properties(_nodes(found))


def _print_phase(session: Session) -> None:
    phase = client.phase(session.config())
    if phase != "ready":
        raise ControlError(f"the service is {phase}")
    if session.json:
        render.print_json({"phase": phase})
    else:
        print(phase)


def drain(context: typer.Context) -> None:
    """Take no new requests, let what has begun end, then stop the service."""
    session: Session = context.obj
    try:
        answer = client.call_json(session.config(), "POST", "/drain")
    except client.AdminError as error:
        raise ControlError(str(error)) from None
    made("the service is draining, and then it stops")
    if session.json:
        render.print_json(answer)
    else:
        print(f"draining, {render.count(answer['open'], 'transaction')} to end")


def _print_status(found: dict[str, Any]) -> None:
    render.print_properties(
        [
            ("Version", found["version"]),
            ("Phase", found["phase"]),
            *_waits(found),
            ("Up", render.duration(found["up_seconds"])),
            ("Listeners", " ".join(map(_address, found["listeners"]))),
            ("Store", found["store"]),
            *_store_away(found),
            *_needs_restart(found),
            *_certificates(found),
            *_cutover(found),
            *_pending(found.get("cutover")),
            *_guard(found.get("guard")),
            *chat_probe_rows(found.get("chat_probe")),
            *_down(found),
            ("Endpoints", str(found["endpoints"])),
            ("Bindings", str(found["bindings"])),
            *_conflicts(found["conflicts"]),
            *_drained(found.get("drained", ())),
            ("Open", f"{render.count(found['open_transactions'], 'transaction')}, "
                     f"{render.count(found['connections'], 'connection')}"),
            *_recorder(found.get("recorder")),
            *_workers(found),
            *_nodes(found),
        ]
    )  # fmt: skip
    rows = [
        (
            pool,
            each["name"],
            _address(each),
            _state(each),
            each["reason"] or "-",
        )
        for pool, about in found["pools"].items()
        for each in about["front_ends"]
    ]
    if rows:
        print()
        render.print_table(("Pool", "Front end", "Address", "State", "Because"), rows)
    for pool, about in found["pools"].items():
        if not about["front_ends"]:
            print()
            render.print_lines(
                render.fitted(f"{pool}: no front end ({about['error']})")
            )


def _state(row: dict[str, Any]) -> str:
    """That of a front end in one word; what is drained stands above, too."""
    is_drained = row.get("drained") and row["state"] == "healthy"
    return "drained" if is_drained else str(row["state"])


def _waits(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Of a service that has not started yet."""
    reason = found.get("waits_for")
    return [("Waits for", reason)] if reason else []


def _cutover(found: dict[str, Any]) -> list[tuple[str, str]]:
    """A promise that was not kept."""
    problem = found.get("cutover_problem")
    return [("Cutover", problem)] if problem else []


def _pending(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    """A cutover that waits to be confirmed."""
    if not found:
        return []
    left = render.duration(max(0.0, found["seconds_left"]))
    share = f", {found['share']} of the users" if found["share"] else ""
    text = f"{found['cutover']} ({found['plan']}{share}): rolled back in {left}"
    return [("Pending", f"{text} unless confirmed")]


def _recorder(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    """What ``waypost trace`` can show."""
    if not found:
        return []
    held, limit = found["bytes"] / _MIB, found["bytes_limit"] / _MIB
    calls = render.count(found["calls_kept"], "call")
    return [("Recorder", f"{calls} kept, {held:.1f} of {limit:.0f} MiB")]


def _guard(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    """What the guard of the newest cutover has seen, or why it rolled back."""
    if not found:
        return []
    what = f"cutover {found['cutover']}"
    if found["rolled_back"]:
        return [("Guard", f"{what} was rolled back: {found['rolled_back']}")]
    return [("Guard", f"{what}: {found['seen'] or 'nothing seen yet'}")]


def _store_away(found: dict[str, Any]) -> list[tuple[str, str]]:
    if not found.get("store_away_since"):
        return []
    ago = render.duration(found["store_away_seconds"])
    since = datetime.fromisoformat(found["store_away_since"]).timestamp()
    return [("Away since", f"{render.instant(since)} ({ago})")]


def _needs_restart(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Keys of the file that a reload has read and cannot apply."""
    keys = found.get("needs_restart")
    return [("Restart for", f"{' '.join(keys)} (changed in the file)")] if keys else []


def _certificates(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Ours, each with the first end in its chain."""
    return [
        ("Certificate", f"{each['file']} ends in {render.duration(each['ends_in'])}")
        for each in found.get("certificates", ())
    ]


def _down(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Parts that failed and start again; the log has the traceback."""
    rows = sorted(found.get("down", {}).items())
    label = ["Down"] + [""] * len(rows)
    return [
        (label[number], f"{name}: {reason}")
        for number, (name, reason) in enumerate(rows)
    ]


def _workers(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Of a service with several processes."""
    if "workers" not in found:
        return []
    each = ", ".join(
        f"{x['worker']} (pid {x['pid']}, {render.duration(x['up_seconds'])})"
        for x in found["workers"]
    )
    wanted, there = found["workers_wanted"], len(found["workers"])
    text = each if wanted == there else f"{there} of {wanted}: {each}"
    restarts = found["worker_restarts"]
    return [("Workers", text + (f"; {restarts} died" if restarts else ""))]


def _nodes(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Of a service that shares its store with other machines."""
    asked = found.get("nodes", ())
    rows = [(each["node"] or "another", _node(each)) for each in asked]
    if rows:
        label = ["Nodes"] + [""] * len(rows)
        return [(label[n], f"{name}: {said}") for n, (name, said) in enumerate(rows)]
    others = found.get("other_nodes")
    return [("Other nodes", " ".join(others))] if others else []


def _node(row: dict[str, Any]) -> str:
    """One node in a line."""
    if not row["answers"]:
        return str(row["problem"])
    up = render.duration(row["up_seconds"])
    return f"{row['phase']}, up {up}, table {row['table_version']}"


def _conflicts(count: int) -> list[tuple[str, str]]:
    if not count:
        return []
    refused = render.count(count, "REGISTER")
    text = f"{refused} for endpoints refused: an old service is still alive"
    return [("Conflicts", f'{text}; "waypost endpoint get" says where')]


def _drained(rows: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
    """Front ends that get no new dialogs."""
    return [("Drained", drain_line(each)) for each in rows]


def _address(row: dict[str, Any]) -> str:
    return f"{row['transport']}:{host_port(row['address'], row['port'])}"
