"""Live traces: what fits is kept from then on, all of its call, for a stated time."""

import pytest

from proxy.recorder.live import MOST_LIVE, Filter, FilterError
from tests.recorder.world import World
from tests.support.messages import request, response


def begun(seconds: float = 600.0, **wanted: str) -> World:
    world = World()
    world.recorder.pools = lambda: {"10.0.1.1": "pcpool.contoso.test"}
    world.recorder.begin("one", Filter(wanted), seconds, world.now)
    return world


def traced(world: World) -> dict[str, int]:
    """How many messages of each call the live trace has."""
    world.look()
    found = world.recorder.find(0, 1e12, 100, failed=False, live="one")
    return {x["call_id"]: len(x["messages"]) for x in found}


def calls(world: World) -> None:
    """Alice calls the chat, which goes to the pool; Bob calls somebody else."""
    asked = world.heard(request(call_id="alice-1"))
    world.sent(request(call_id="alice-1"), world.front_end)
    world.heard(response(asked, 200), world.front_end)
    world.sent(response(asked, 200))
    bob = "<sip:bob@contoso.test>;tag=1"
    other = type(world.client)(world.listener, "10.2.0.9", 5060)
    asked = world.heard(
        request("INVITE sip:carol@contoso.test", call_id="bob-1", from_=bob), other
    )
    world.sent(response(asked, 200), other)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"from": "alice"}, {"alice-1": 4}),
        ({"from": "sip:ALICE@contoso.test"}, {"alice-1": 4}),
        ({"from": "bob@contoso.test"}, {"bob-1": 2}),
        ({"from": "ali"}, {}),
        ({"call_id": "bob-1"}, {"bob-1": 2}),
        ({"endpoint": "ocschat"}, {"alice-1": 4}),
        ({"source": "10.2.0.9"}, {"bob-1": 2}),
        ({"source": "10.1.0.9:40000"}, {"alice-1": 4}),
        ({"source": "10.1.0.9:40001"}, {}),
        ({"source": "10.0.0.0/8"}, {"alice-1": 4, "bob-1": 2}),
        ({"pool": "pcpool.contoso.test"}, {"alice-1": 4}),
        ({"pool": "pcpool.contoso.test", "from": "alice"}, {"alice-1": 4}),
        ({"pool": "pcpool.contoso.test", "from": "bob"}, {}),
    ],
)
def test_what_fits_is_kept(wanted: dict[str, str], found: dict[str, int]) -> None:
    world = begun(**wanted)
    calls(world)
    assert traced(world) == found


def test_what_fits_late_is_kept_from_its_beginning() -> None:
    world = begun(pool="pcpool.contoso.test")
    asked = world.heard(request(call_id="alice-1"))
    assert traced(world) == {}
    world.recorder.tape.woke(world.now)
    world.sent(request(call_id="alice-1"), world.front_end)
    world.now += 1
    world.heard(response(asked, 180), world.front_end)
    assert traced(world) == {"alice-1": 3}
    bye = request("BYE sip:x@y", call_id="alice-1", cseq=2)
    world.now += 100
    world.heard(bye)
    assert traced(world) == {"alice-1": 4}
    assert traced(world) == {"alice-1": 4}


def test_a_live_trace_ends_by_itself_or_when_it_is_told() -> None:
    world = begun(10.0, **{"from": "alice"})
    world.call("call-1")
    assert traced(world) == {"call-1": 2}
    world.now += 11
    world.look()
    world.call("call-2")
    assert traced(world) == {"call-1": 2}
    world.recorder.begin("one", Filter({"from": "alice"}), 10.0, world.now)
    world.recorder.end("one")
    world.call("call-3")
    assert "call-3" not in traced(world)


def test_what_is_live_alone_did_not_fail() -> None:
    world = begun(**{"from": "alice"})
    world.call("call-1")
    world.look()
    assert world.recorder.find(0, 1e12, 10) == []


def test_kept_calls_can_be_chosen_by_the_same_words() -> None:
    world = World()
    world.call("call-1", 503)
    world.look()
    for words, count in (
        ({"from": "alice"}, 1),
        ({"from": "bob"}, 0),
        ({"source": "10.1.0.0/16"}, 1),
        ({"source": "10.2.0.0/16"}, 0),
        ({"call_id": "call-1"}, 1),
        ({"pool": "other"}, 0),
        ({"endpoint": "other"}, 0),
    ):
        found = world.recorder.find(0, 1e12, 10, wanted=Filter(words))
        assert len(found) == count, words


def test_a_filter_that_cannot_be_read_says_what_to_write() -> None:
    with pytest.raises(FilterError, match=r"write 10\.1\.2\.3"):
        Filter({"source": "client one"})
    world = World()
    with pytest.raises(FilterError, match="say what to trace"):
        world.recorder.begin("one", Filter({}), 1.0, 0.0)


def test_live_traces_have_an_end_in_number() -> None:
    world = World()
    for number in range(MOST_LIVE):
        world.recorder.begin(str(number), Filter({"from": "a"}), 9.0, world.now)
    with pytest.raises(FilterError, match="run already"):
        world.recorder.begin("more", Filter({"from": "a"}), 9.0, world.now)
