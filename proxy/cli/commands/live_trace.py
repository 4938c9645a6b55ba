"""``waypost trace --for``: everything that fits, from now on, for a stated time."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from proxy import clock
from proxy.admin.as_json import timed
from proxy.admin.control import ControlError
from proxy.admin.listener import client
from proxy.admin.observed.asking import Told
from proxy.admin.observed.calls import Call, Followed, begin_live, end_live
from proxy.cli.screen import render
from proxy.cli.session import Session
from proxy.recorder.ladder import label_of

LOOK: Final = 0.5

Query = dict[str, str]


@contextmanager
def asked() -> Iterator[None]:
    """What the running service refuses is refused here."""
    try:
        yield
    except client.AdminError as error:
        raise ControlError(str(error)) from None


def tell_silent(silent: Sequence[Told]) -> None:
    """What is shown is not all there is."""
    for each in silent:
        print(f"waypost: note: without {each.node}: {each.problem}", file=sys.stderr)


def live_trace(
    session: Session, wanted: Query, seconds: float, *, follow: bool, bodies: bool
) -> None:
    """Begin it; with ``follow`` stay, tell every message, and end it."""
    config = session.config()
    with asked():
        name = begin_live(config, wanted, seconds)
        until = clock.wall() + seconds
        if not follow:
            _tell_begun(session, wanted, name, until)
            return
        try:
            _follow(session, Followed(config, name, bodies), until)
        finally:
            end_live(config, name)


def _tell_begun(session: Session, wanted: Query, name: str, until: float) -> None:
    if session.json:
        render.print_json({"name": name, "until_at": until})
        return
    words = " ".join(
        f"--{key.replace('_', '-')} {text}" for key, text in wanted.items()
    )
    print(f"recording until {render.instant(until)}; to see it: waypost trace {words}")


def _follow(session: Session, followed: Followed, until: float) -> None:
    while True:
        is_over = clock.wall() >= until
        for message, call in followed.fresh():
            _tell(session, message, call, bodies=followed.bodies)
        sys.stdout.flush()
        if is_over:
            return
        time.sleep(max(0.05, min(LOOK, until - clock.wall())))


def _tell(
    session: Session, message: Mapping[str, Any], call: Call, *, bodies: bool
) -> None:
    if session.json:
        line = {"call_id": call["call_id"], **message}
        print(json.dumps(timed(line), ensure_ascii=True))
        return
    then = datetime.fromtimestamp(message["at"]).astimezone()
    moment = f"{then.strftime('%H:%M:%S.%f')[:-3]} {then.strftime('%z')}"
    arrow = "<-" if message["direction"] == "in" else "->"
    host = message["peer"].rpartition(":")[0].strip("[]")
    peer = call["names"].get(host, message["peer"])
    said = f"{message['transport']} {peer}  {label_of(message['data'])}"
    lines = [f"{moment}  {arrow} {said}  {call['call_id']}"]
    if bodies and message["body_bytes"]:
        lines += message["data"].partition("\r\n\r\n")[2].split("\r\n")
    render.print_lines(lines)
