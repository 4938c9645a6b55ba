"""``waypost trace``: what was said around a call, from the running service."""

from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import typer

from proxy.admin.as_json import iso
from proxy.admin.control import ControlError
from proxy.admin.files import write_whole
from proxy.admin.listener import client
from proxy.cli.screen import render
from proxy.cli.screen.call_ladder import ladder
from proxy.cli.screen.output import made
from proxy.cli.session import Session
from proxy.cli.typed.cmdlets import UsageError
from proxy.cli.typed.instants import instant
from proxy.recorder.pcap import capture_of

_OFF: Final = (
    "the recorder is off: write megabytes = 16 in [recorder] and start the service "
    "again"
)


def trace(
    context: typer.Context,
    call_id: Annotated[
        str | None,
        typer.Argument(
            metavar="CALL-ID", help="Which call; access lines and calls name it."
        ),
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="The calls that failed, the newest last.")
    ] = False,
    since: Annotated[
        str | None, typer.Option(help="With --failed: 10:40, or 15m for so long ago.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=100, help="With --failed: at most so many.")
    ] = 10,
    pcap: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write a capture that Wireshark reads."),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="The messages themselves, masked.")
    ] = False,
) -> None:
    """A call as a ladder, hop by hop, with our reason where it broke."""
    session: Session = context.obj
    if (call_id is None) == (not failed):
        raise UsageError("name a Call-ID, or say --failed")
    query = {"limit": str(limit)}
    if call_id is not None:
        query = {"call_id": call_id}
    elif since is not None:
        query["since"] = str(instant(since, "--since"))
    found = ask(session, "/trace", query)
    if not found["is_on"]:
        raise ControlError(_OFF)
    calls = found["calls"][::-1]
    if pcap is not None and calls:
        _write_capture(Path(pcap), calls)
        return
    if session.json:
        render.print_json(calls)
        return
    if not calls:
        raise ControlError(_nothing(call_id))
    for number, call in enumerate(calls):
        if number:
            print()
        _print_raw(call) if raw else print_ladder(call)


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


def ask(session: Session, path: str, query: dict[str, str]) -> Any:
    """What the running service says; raises ControlError."""
    try:
        return client.call_json(session.config(), "GET", f"{path}?{urlencode(query)}")
    except client.AdminError as error:
        raise ControlError(str(error)) from None


def print_ladder(call: dict[str, Any]) -> None:
    """One call, as wide as the screen."""
    print("\n".join(ladder(call, render.screen_width())))


def _nothing(call_id: str | None) -> str:
    if call_id is None:
        return "no call has failed since then, as far as the recorder remembers"
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
