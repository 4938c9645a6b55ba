"""No secret of a generated message in any output: JSON, ladder, raw, capture, HEP,
list, access line; and what the console's page of a call is made of."""

import contextlib
import io
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxy.cli.commands.calls import _print_csv
from proxy.cli.commands.trace import _print_raw
from proxy.cli.screen.call_ladder import ladder
from proxy.core.commands import LogAccess
from proxy.recorder.hep import packet
from proxy.recorder.ladder import steps_of
from proxy.recorder.pcap import capture_of
from proxy.sip.message import Request
from proxy.telemetry.access import access_fields
from tests.recorder.test_masking import PLACES, SECRET
from tests.recorder.world import WALL, World
from tests.support.messages import read, request, response

URIS = (
    "sip:ocschat@contoso.test",
    f"sip:ocschat:{SECRET}@contoso.test",
    f"sip:ocschat@contoso.test;token={SECRET}",
    f"sips:ocschat@contoso.test?Authorization={SECRET}",
)
IN_REQUESTS = tuple(x for x in PLACES if not x.startswith(("From", "no colon")))
IN_ANSWERS = tuple(x for x in IN_REQUESTS if not x.startswith("Route"))
CALL_ID = "call-1"


def outputs(world: World, asked: bytes) -> dict[str, Any]:
    """Everything that may be read of a call, by what reads it."""
    calls = [world.recorder.call(CALL_ID)[0], *world.recorder.find(0, 1e12, 10)]
    lines = [line.to_json() for line in world.recorder.book.find()]
    message = read(asked)
    assert isinstance(message, Request) and calls and lines
    record = LogAccess(message, world.client, 503, 0.1, "endpoint", "", "", (), 0.1)
    raw, listed = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(raw):
        _print_raw(calls[0])
    with contextlib.redirect_stdout(listed):
        _print_csv(lines)
    return {
        "trace --json": json.dumps(calls),
        "trace": "\n".join(ladder(calls[0], 80)),
        "trace --raw": raw.getvalue(),
        "trace --pcap": capture_of(calls).decode("latin-1"),
        "hep": b"".join(
            packet(each, CALL_ID.encode()) for each in calls[0]["messages"]
        ).decode("latin-1"),
        "console": str(steps_of(calls[0])),
        "calls --json": json.dumps(lines),
        "calls --csv": listed.getvalue(),
        "access line": json.dumps(access_fields(record, WALL)),
    }


@given(
    uri=st.sampled_from(URIS),
    method=st.sampled_from(("INVITE", "SUBSCRIBE", "MESSAGE", "REGISTER")),
    sent=st.lists(st.sampled_from(IN_REQUESTS), max_size=3),
    answered=st.lists(st.sampled_from(IN_ANSWERS), max_size=3),
    status=st.sampled_from((200, 404, 480, 503)),
    with_body=st.booleans(),
)
def test_no_output_shows_a_secret(
    uri: str,
    method: str,
    sent: list[str],
    answered: list[str],
    status: int,
    with_body: bool,
) -> None:
    world = World()
    body = f"v=0\r\no={SECRET}\r\n".encode() if with_body else b""
    lines = [line.format(SECRET) for line in sent]
    asked = request(f"{method} {uri}", *lines, call_id=CALL_ID, body=body)
    world.heard(asked)
    world.sent(asked, world.front_end)
    answer = response(asked, status, *(line.format(SECRET) for line in answered))
    world.heard(answer, world.front_end)
    world.sent(answer)
    attempts = (("fe1", "timeout", 2.0), ("fe2", str(status), 0.1))
    world.ended(asked, status, attempts, 2.1)
    bye = world.heard(request(f"BYE {uri}", *lines, call_id=CALL_ID, cseq=2))
    world.sent(response(bye, 481))
    world.look()
    for name, text in outputs(world, asked).items():
        assert SECRET not in text, f"{name}: {text}"
