"""A service whose flight recorder tells what a test has it tell."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from tests.support.admin_answers import Answering, answering
from tests.support.messages import request, response

INVITE = request()


@contextmanager
def recorder_says(config_file: Path, told: dict[str, Any]) -> Iterator[Answering]:
    """The configuration names its listener; it says the same of every page."""
    before = config_file.read_text()
    with answering(200, json.dumps(told).encode()) as service:
        admin = f'[admin]\nlisten = "127.0.0.1:{service.port}"\n'
        config_file.write_text(f'{before}{admin}token = "0123456789abcdef"\n')
        try:
            yield service
        finally:
            config_file.write_text(before)


def asked(service: Answering, number: int = -1) -> dict[str, str]:
    """The words of a question."""
    target = service.asked[number].split(b" ")[1].decode()
    return dict(parse_qsl(target.partition("?")[2]))


def a_line(
    at: float,
    *,
    sender: str = "alice@contoso.test",
    attempts: list[tuple[str, str, float]] | None = None,
    failures: list[tuple[float, int, str]] | None = None,
) -> dict[str, Any]:
    """A line of the book, as its page has it."""
    tried = attempts or [("fe1", "200", 0.01)]
    return {
        **{"at": at, "method": "INVITE", "from": sender, "request_uri": "sip:x"},
        **{"source": "udp:10.1.0.9:40000", "status": 200, "seconds": 0.5},
        **{"rule": "endpoint", "endpoint": "chat@b.test", "pool": "pool.test"},
        **{"reason": "", "ended": "", "ended_at": 0.0, "call_id": f"call-{at:g}"},
        "attempts": [
            {"front_end": name, "outcome": outcome, "seconds": took}
            for name, outcome, took in tried
        ],
        "failures": [
            {"at": when, "status": status, "method": method, "reason": ""}
            for when, status, method in failures or ()
        ],
        "is_failed": bool(failures),
    }


def a_call(call_id: str = "call-1", at: float = 2_000.0) -> dict[str, Any]:
    """A call that is kept: its INVITE, and our answer."""

    def message(serial: int, data: bytes, direction: str) -> dict[str, Any]:
        return {
            **{"serial": serial, "at": at + serial, "direction": direction},
            **{"transport": "udp", "local": "10.0.0.5:5060", "connection": 0},
            **{"peer": "10.1.0.9:40000", "body_bytes": 0, "data": data.decode()},
        }

    return {
        **{"call_id": call_id, "why": ["failed"], "from": "<sip:alice@contoso.test>"},
        **{"facts": [], "names": {}},
        "messages": [
            message(1, INVITE, "in"),
            message(2, response(INVITE, 404), "out"),
        ],
    }


def kept(*calls: dict[str, Any]) -> dict[str, Any]:
    """The page ``/trace``."""
    return {"is_on": True, "bodies": False, "skipped": 0, "calls": list(calls)}
