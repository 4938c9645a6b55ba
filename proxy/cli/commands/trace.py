"""``waypost trace``: what was said around a call, from the running service."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.admin.as_json import iso
from proxy.admin.control import ControlError
from proxy.admin.files import write_whole
from proxy.admin.observed.calls import note_bodies, traces
from proxy.cli.commands.live_trace import asked, live_trace, tell_silent
from proxy.cli.screen import render
from proxy.cli.screen.call_ladder import ladder
from proxy.cli.screen.output import made
from proxy.cli.session import Session, current_actor
from proxy.cli.typed.cmdlets import UsageError
from proxy.cli.typed.instants import instant, span
from proxy.recorder.live import Filter, FilterError
from proxy.recorder.pcap import capture_of

CallId = Annotated[
    str | None,
    typer.Argument(
        metavar="CALL-ID", help="Which call; access lines and calls name it."
    ),
]
Failed = Annotated[
    bool, typer.Option("--failed", help="The calls that failed, the newest last.")
]
Since = Annotated[
    str | None, typer.Option(help="Not before 10:40; or 15m, for so long ago.")
]
Limit = Annotated[int, typer.Option(min=1, max=100, help="At most so many calls.")]
Sender = Annotated[
    str | None, typer.Option("--from", help="Calls of this address; alice will do.")
]
ById = Annotated[
    str | None, typer.Option("--call-id", help="The call of this Call-ID.")
]
Endpoint = Annotated[str | None, typer.Option(help="Calls to this endpoint.")]
Source = Annotated[
    str | None, typer.Option(help="Calls from 10.1.2.3, its port too, or 10.1.0.0/16.")
]
Pool = Annotated[str | None, typer.Option(help="Calls that went to this pool.")]
Lasts = Annotated[
    str | None,
    typer.Option("--for", help="Record all that fits from now on, for 10m."),
]
Follow = Annotated[
    bool, typer.Option("--follow", help="With --for: tell messages as they come.")
]
Pcap = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Write a capture that Wireshark reads."),
]
Raw = Annotated[bool, typer.Option("--raw", help="The messages themselves, masked.")]
Bodies = Annotated[
    bool, typer.Option("--bodies", help="With their bodies; the audit notes it.")
]


def trace(
    context: typer.Context,
    call: CallId = None,
    failed: Failed = False,
    since: Since = None,
    limit: Limit = 10,
    sender: Sender = None,
    call_id: ById = None,
    endpoint: Endpoint = None,
    source: Source = None,
    pool: Pool = None,
    lasts: Lasts = None,
    follow: Follow = False,
    pcap: Pcap = None,
    raw: Raw = False,
    bodies: Bodies = False,
) -> None:
    """A call as a ladder, hop by hop, with our reason where it broke."""
    session: Session = context.obj
    named = (("from", sender), ("call_id", call_id), ("endpoint", endpoint))
    choices = (*named, ("source", source), ("pool", pool))
    wanted = {name: text for name, text in choices if text}
    _check(call, wanted, failed=failed, lasts=lasts, follow=follow)
    if follow:
        session.stay()
    if bodies:
        _note_bodies(session, call or json.dumps(wanted or {"failed": True}))
    if lasts is not None:
        live_trace(session, wanted, span(lasts, "--for"), follow=follow, bodies=bodies)
        return
    query = {"limit": str(limit), **wanted}
    if call is not None:
        query = {"call_id": call, "one": "1"}
    if failed:
        query["failed"] = "1"
    if since is not None:
        query["since"] = str(instant(since, "--since"))
    if bodies:
        query |= {"bodies": "1", "by": current_actor().name}
    with asked():
        calls = traces(session.config(), query, tell_silent)[::-1]
    if session.json and pcap is None:
        render.print_json(calls)
    elif not calls:
        raise ControlError(_nothing(call, failed=failed, since=since))
    elif pcap is not None:
        _write_capture(Path(pcap), calls)
    else:
        _print(calls, as_messages=raw or bodies)


def _print(calls: list[dict[str, Any]], *, as_messages: bool) -> None:
    for number, each in enumerate(calls):
        if number:
            print()
        _print_raw(each) if as_messages else print_ladder(each)


def _check(
    call: str | None,
    wanted: dict[str, str],
    *,
    failed: bool,
    lasts: str | None,
    follow: bool,
) -> None:
    """Raises UsageError for choices that do not go together."""
    if "source" in wanted:
        try:
            Filter(wanted)
        except FilterError as error:
            raise UsageError(f"--source {error}") from None
    if call is not None and (failed or wanted or lasts):
        raise UsageError("a CALL-ID stands alone: leave the other choices out")
    if call is None and not (failed or wanted):
        raise UsageError(
            "name a Call-ID, say --failed, or which calls: --from, --endpoint, "
            "--source, --pool"
        )
    if lasts is not None and not wanted:
        raise UsageError(
            "--for needs a choice: --from, --call-id, --endpoint, --source or --pool"
        )
    if follow and lasts is None:
        raise UsageError("--follow needs --for: for how long, 10m")


def _note_bodies(session: Session, what: str) -> None:
    """Whoever reads what people wrote stands in the audit, before anything is shown."""
    config = session.config()
    session.operate(lambda operator: note_bodies(operator, config, what))


def _write_capture(path: Path, calls: list[dict[str, Any]]) -> None:
    """The file is for its owner only: it says who called whom."""
    data = capture_of(calls)
    try:
        write_whole(path, data, 0o600)
    except OSError as error:
        raise ControlError(f"{path} cannot be written ({error.strerror})") from None
    made(f"{path} was written")
    count = sum(len(call["messages"]) for call in calls)
    said = f"{render.count(count, 'message')} of {render.count(len(calls), 'call')}"
    print(f"wrote {path}: {said}, masked")


def print_ladder(call: dict[str, Any]) -> None:
    """One call, as wide as the screen."""
    print("\n".join(ladder(call, render.screen_width())))


def _nothing(call_id: str | None, *, failed: bool, since: str | None) -> str:
    if call_id is None:
        then = " since then" if since else ""
        if failed:
            return f"no call has failed{then}, as far as the recorder remembers"
        return (
            f"nothing is kept of a call that fits{then}: calls that went well are "
            "remembered for minutes only, unless a live trace (--for 10m) records them"
        )
    return (
        f'nothing is kept of "{call_id}": calls that went well are remembered for '
        'minutes only; "waypost trace --failed" shows those that did not'
    )


def _print_raw(call: dict[str, Any]) -> None:
    """Every message as it was, its credentials and body masked."""
    for message in call["messages"]:
        arrow = "from" if message["direction"] == "in" else "to"
        when = iso(message["at"])
        print(f"-- {when} {arrow} {message['transport']}:{message['peer']}")
        text = message["data"].replace("\r\n", "\n")
        render.print_lines(text.split("\n"))
