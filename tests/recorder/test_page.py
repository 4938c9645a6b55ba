"""Pages of the book: lines that share a block say the same as lines of their own."""

from proxy.recorder.book import EACH
from proxy.recorder.page import Page
from tests.recorder.world import WALL, World
from tests.support.messages import request, response

TRIED = (("fe1", "timeout", 2.0), ("fe2", "200", 0.01))


def lines(world: World, **query):
    return [line.to_json() for line in world.recorder.book.find(**query)]


def filled(count: int) -> World:
    """A book of ten thousand lines, whose pages have more than one."""
    world = World()
    for number in range(count):
        attempts = ((("fe1", "200", 0.001),), (), TRIED)[number % 3]
        world.call(
            f"call-{number}", 404 if number % 3 == 1 else 200, "INVITE", attempts
        )
    world.look()
    return world


def test_lines_of_several_pages_say_what_they_said_alone() -> None:
    world = filled(100)
    found = lines(world)
    assert [x["call_id"] for x in found] == [f"call-{n}" for n in range(99, -1, -1)]
    assert [x["status"] for x in found[:3]] == [200, 200, 404]
    assert [len(x["attempts"]) for x in found[:6]] == [1, 2, 0, 1, 2, 0]
    assert found[0]["attempts"] == [
        {"front_end": "fe1", "outcome": "200", "seconds": 0.001}
    ]
    assert found[1]["attempts"][1]["front_end"] == "fe2"
    assert found[0]["from"] == "alice@contoso.test"
    assert abs(found[-1]["at"] - (WALL + 50.001)) < 1e-3
    book = world.recorder.book
    assert len(book._pages) > 3
    assert book.size == sum(each.size for each in book.lines)
    assert book.size == sum(each.size for each in book._pages)


def test_more_is_learned_of_a_line_on_a_page_that_is_closed() -> None:
    world = filled(100)
    for call_id in ("call-3", "call-99"):
        bye = request("BYE sip:x@10.0.0.5", call_id=call_id, cseq=2)
        world.sent(response(world.heard(bye), 481))
        world.look()
    failed = lines(world, failed=True)
    assert {x["call_id"] for x in failed if x["failures"]} == {"call-3", "call-99"}
    (line,) = [x for x in failed if x["call_id"] == "call-3"]
    assert line["ended"] == "BYE from the caller"
    assert lines(world)[-4]["failures"][0]["status"] == 481
    book = world.recorder.book
    assert book.size == sum(each.size for each in book.lines)


def test_the_book_has_an_end_to_within_a_page() -> None:
    world = World(calls=1000)
    for number in range(2500):
        world.call(f"call-{number}")
    book = world.recorder.book
    assert 1000 - 10 <= book.written == len(book.lines) <= 1000
    assert book.knows(b"call-2499") and not book.knows(b"call-1499")
    assert len(book._index) == book.written
    for number in range(2500, 3600):
        world.call(f"call-{number}" + "x" * 1500)
        assert book.size <= 1000 * EACH
    assert len(book._index) <= book.written, "what is gone is in no index"
    assert not book.knows(b"call-2499")


def test_one_call_id_used_twice_has_the_ending_of_each_dialog() -> None:
    world = World()
    for hangs_up in (world.client, world.front_end):
        world.call("call-1")
        world.look()
        bye = request("BYE sip:x@10.0.0.5", call_id="call-1", cseq=2)
        world.heard(bye, hangs_up)
        world.heard(bye, world.client)  # only the first counts
        world.look()
    assert [x["ended"] for x in lines(world)] == [
        *("BYE from the callee", "BYE from the caller"),
    ]


def test_endings_have_an_end_with_the_lines_that_they_are_of() -> None:
    world = World(calls=500)
    book = world.recorder.book
    for number in range(3000):
        world.call(f"call-{number}")
        bye = request("BYE sip:x@10.0.0.5", call_id=f"call-{number}", cseq=2)
        world.heard(bye)
        if number % 10 == 9:
            world.look()
    assert book._ended <= 500
    assert book._endings_size == sum(x.size for x in book._endings) <= 500 * EACH // 8
    assert sum(bool(x["ended"]) for x in lines(world)) >= 490


def test_an_empty_page_has_no_lines() -> None:
    assert Page().lines() == [] == Page().call_ids()
