"""Pages that stay up to date: what is sent, and how many may be followed."""

import asyncio
from types import SimpleNamespace

import pytest

from proxy.console.pages import streams
from proxy.console.pages.streams import EACH, MOST, Followed, event
from proxy.console.problems import Problem

ANNA = ("person", "anna")


def test_an_event_keeps_the_lines_of_its_text():
    assert event("alerts", "<p>\na</p>\n") == (
        b"event: alerts\ndata: <p>\ndata: a</p>\n\n"
    )
    assert event("over", "") == b"event: over\ndata: \n\n"
    # A line of a stranger's cannot begin an event of its own.
    assert event("x", "a\r\n\r\nevent: over\rdata: y").count(b"\nevent:") == 0


def test_one_person_and_all_together_follow_so_many():
    followed = Followed()
    for _ in range(EACH):
        followed.begin(ANNA)
    with pytest.raises(Problem):
        followed.begin(ANNA)
    followed.end(ANNA)
    followed.begin(ANNA)
    for number in range(MOST - EACH):
        followed.begin(("token", str(number)))
    with pytest.raises(Problem):
        followed.begin(("token", "one more"))


class Desk:
    def __init__(self):
        self.problem = None

    async def admit(self, request, role, *, is_whole):
        if self.problem is not None:
            raise self.problem


def asked(desk, followed):
    app = SimpleNamespace(state=SimpleNamespace(desk=desk, followed=followed))
    caller = SimpleNamespace(access=SimpleNamespace(kind="person", name="anna"))
    return SimpleNamespace(
        app=app, state=SimpleNamespace(caller=caller), url=SimpleNamespace(path="/now")
    )


async def told(desk, parts, monkeypatch, count):
    """The first events of a stream, without its pauses."""
    monkeypatch.setattr(streams, "ADMIT_EVERY", 0.0)
    followed = Followed()
    answer = streams.stream(asked(desk, followed), parts, pause=0.0)
    found = []
    async with asyncio.timeout(10):
        async for each in answer.body_iterator:
            found.append(each.decode())
            if len(found) == count:
                break
        await answer.body_iterator.aclose()
    followed.begin(ANNA)  # what has ended is not counted any more
    return found


async def test_only_what_has_changed_is_sent(monkeypatch):
    looks = 0

    async def parts():
        nonlocal looks
        looks += 1
        return {"one": "same", "two": str(looks // 3)}

    found = await told(Desk(), parts, monkeypatch, 5)
    assert found == [
        "retry: 2000\n\n",
        "event: one\ndata: same\n\n",
        "event: two\ndata: 0\n\n",
        "event: two\ndata: 1\n\n",
        "event: two\ndata: 2\n\n",
    ]


async def test_a_stream_ends_with_its_session(monkeypatch):
    desk = Desk()

    async def parts():
        desk.problem = Problem(401, "the session is over")
        return {"one": "x"}

    found = await told(desk, parts, monkeypatch, 9)
    assert found[1:] == ["event: one\ndata: x\n\n", "event: over\ndata: \n\n"]
