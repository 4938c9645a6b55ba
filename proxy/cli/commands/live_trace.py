"""``waypost trace --for``: everything that fits, from now on, for a stated time."""

import json
import secrets
import sys
import time
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from proxy import clock
from proxy.admin.as_json import timed
from proxy.admin.control import ControlError
from proxy.admin.listener import client
from proxy.cli.screen import render
from proxy.cli.screen.call_ladder import label_of
from proxy.cli.session import Session

LOOK: Final = 0.5
_OVERLAP: Final = 3.0
"""Seconds that are asked for again: a worker may be late with a message."""
OFF: Final = (
    "the recorder is off: write megabytes = 16 in [recorder] and start the service "
    "again"
)

Query = dict[str, str]


def ask(session: Session, path: str, query: Query, method: str = "GET") -> Any:
    """What the running service says; raises ControlError."""
    try:
        path = f"{path}?{urlencode(query)}"
        return client.call_json(session.config(), method, path)
    except client.AdminError as error:
        raise ControlError(str(error)) from None


def live_trace(
    session: Session, wanted: Query, seconds: float, *, follow: bool, bodies: bool
) -> None:
    """Begin it; with ``follow`` stay, tell every message, and end it."""
    name = secrets.token_hex(8)
    query = {**wanted, "name": name, "for": str(seconds)}
    answer = ask(session, "/trace/live", query, "POST")
    if not answer["is_on"]:
        raise ControlError(OFF)
    if answer["problem"]:
        raise ControlError(answer["problem"])
    until = clock.wall() + seconds
    if not follow:
        _tell_begun(session, wanted, name, until)
        return
    try:
        _follow(session, name, until, bodies=bodies)
    finally:
        ask(session, "/trace/live", {"name": name}, "POST")


def _tell_begun(session: Session, wanted: Query, name: str, until: float) -> None:
    if session.json:
        render.print_json({"name": name, "until_at": until})
        return
    words = " ".join(
        f"--{key.replace('_', '-')} {text}" for key, text in wanted.items()
    )
    print(f"recording until {render.instant(until)}; to see it: waypost trace {words}")


def _follow(session: Session, name: str, until: float, *, bodies: bool) -> None:
    told: dict[tuple[int, int], None] = {}
    query = {"live": name, "limit": "100", "after": "0"}
    if bodies:
        query["bodies"] = "1"
    last = 0.0
    while True:
        is_over = clock.wall() >= until
        fresh = []
        for call in ask(session, "/trace", query)["calls"]:
            for message in call["messages"]:
                key = message.get("worker", 0), message["serial"]
                if key not in told:
                    told[key] = None
                    fresh.append((message, call))
        for message, call in sorted(fresh, key=lambda each: float(each[0]["at"])):
            _tell(session, message, call, bodies=bodies)
            last = max(last, message["at"])
        sys.stdout.flush()
        if is_over:
            return
        query["after"] = str(max(0.0, last - _OVERLAP))
        time.sleep(max(0.05, min(LOOK, until - clock.wall())))


def _tell(
    session: Session, message: dict[str, Any], call: dict[str, Any], *, bodies: bool
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
