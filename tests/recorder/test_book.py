"""`waypost calls` in memory: what a line says, and that the book has an end."""

import pytest

from proxy.recorder.book import EACH, INSIDE, MOST_FAILURES, MOST_REASON
from proxy.recorder.joined import join_calls
from tests.recorder.world import WALL, World
from tests.support.messages import request, response

DIAGNOSTICS = 'ms-diagnostics: 1003;source="wp.test";reason="User does not exist"'


def lines(world: World, **query):
    return [line.to_json() for line in world.recorder.book.find(**query)]


def test_a_line_says_who_what_where_and_what_was_answered() -> None:
    world = World()
    world.call("call-1", attempts=(("fe1", "timeout", 2.0), ("fe2", "200", 0.01)))
    world.look()
    (line,) = lines(world)
    assert line["from"] == "alice@contoso.test"
    assert line["request_uri"] == "sip:ocschat@contoso.test"
    assert line["status"] == 200
    assert line["source"] == "udp:10.1.0.9:40000"
    assert [x["outcome"] for x in line["attempts"]] == ["timeout", "200"]
    assert line["at"] == pytest.approx(WALL + 50, abs=10)
    assert not line["is_failed"]


def test_who_hung_up_is_told() -> None:
    world = World()
    world.call("call-1")
    world.call("call-2")
    world.call("call-3", method="SUBSCRIBE")
    world.heard(request("BYE sip:x@10.0.0.5", call_id="call-1", cseq=2))
    world.heard(request("BYE sip:x", call_id="call-2", cseq=2), world.front_end)
    ended = "Subscription-State: terminated;reason=timeout"
    world.heard(request("NOTIFY sip:x", ended, call_id="call-3"), world.front_end)
    world.look()
    assert [x["ended"] for x in lines(world)] == [
        *("NOTIFY from the callee", "BYE from the callee", "BYE from the caller"),
    ]


def test_what_fails_inside_a_dialog_stands_in_its_line() -> None:
    world = World()
    world.call("call-1")
    bye = world.heard(request("BYE sip:x@10.0.0.5", call_id="call-1", cseq=2))
    world.sent(response(bye, 481, DIAGNOSTICS))
    world.look()
    (line,) = lines(world, failed=True)
    assert [(x["status"], x["method"]) for x in line["failures"]] == [(481, "BYE")]
    assert "User does not exist" in line["failures"][0]["reason"]
    assert line["ended"] == "BYE from the caller"


def test_a_dialog_from_before_has_a_line_of_its_own() -> None:
    world = World()
    info = world.heard(request("INFO sip:x@10.0.0.5", call_id="old", cseq=7))
    world.sent(response(info, 481))
    world.look()
    (line,) = lines(world, failed=True)
    assert (line["request_uri"], line["method"], line["status"]) == (
        INSIDE,
        "INFO",
        481,
    )
    assert line["from"] == "alice@contoso.test"


def test_a_refusal_says_which_rule_and_why() -> None:
    world = World()
    asked = world.heard(request("INVITE sip:nobody@contoso.test", call_id="call-1"))
    world.sent(response(asked, 404, DIAGNOSTICS))
    world.ended(asked, 404, rule="nowhere")
    world.look()
    (line,) = lines(world)
    assert line["reason"].startswith("rule nowhere: no rule knows the address")
    assert 'reason="User does not exist"' in line["reason"]


def test_an_answer_that_goes_out_again_is_no_failure_inside_the_dialog() -> None:
    """A legacy client does not acknowledge a refused INVITE, so over UDP its answer
    goes out for half a minute."""
    world = World()
    asked = world.call("call-1", 404)
    for _ in range(8):
        world.look(4.0)
        world.sent(response(asked, 404))
    again = world.heard(request("INVITE sip:x@y", call_id="call-1", cseq=2))
    world.sent(response(again, 404))
    world.look(4.0)
    (line,) = lines(world)
    assert [(x["status"], x["method"]) for x in line["failures"]] == [(404, "INVITE")]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"aor": "alice"}, 3),
        ({"aor": "sip:Alice@contoso.test"}, 3),
        ({"aor": "ocschat"}, 3),
        ({"aor": "bob"}, 0),
        ({"aor": "ali"}, 0),
        ({"failed": True}, 1),
        ({"since": WALL + 50.0025}, 1),
        ({"until": WALL + 50.0025}, 2),
    ],
)
def test_one_can_ask_for_some(query, found) -> None:
    world = World()
    for number, status in enumerate((200, 503, 401), 1):
        world.call(f"call-{number}", status)
    assert len(lines(world, **query)) == found


def test_a_password_in_a_uri_is_not_told() -> None:
    world = World()
    asked = world.heard(request("INVITE sip:bob:hunter2@contoso.test"))
    world.ended(asked, 404)
    assert "hunter2" not in str(lines(world))
    assert "hunter2" not in str(world.recorder.call("call-1"))


def test_the_book_has_an_end_in_lines_and_in_bytes() -> None:
    world = World(calls=100)
    for number in range(300):
        world.call(f"call-{number}")
    book = world.recorder.book
    assert len(book.lines) == 100
    assert lines(world)[0]["call_id"] == "call-299"
    for number in range(100):
        world.call(f"long-{number}" + "x" * 7000)
    assert book.size <= 100 * EACH
    assert book.size == sum(each.size for each in book.lines)
    assert all(book.knows(each.call_id) for each in book.lines)
    assert len(book._index) == len(book.lines)


def long_reasons(world: World) -> None:
    """Ten calls that are refused at length, in three ways."""
    long = 'ms-diagnostics: 1;reason="' + "x" * 7000 + '"'
    for number in range(10):
        asked = world.heard(request(call_id=f"call-{number}"))
        world.sent(response(asked, 503, long))
        world.ended(asked, 503)
        for cseq in range(2, 20):
            bye = request("BYE sip:x@10.0.0.5", call_id=f"call-{number}", cseq=cseq)
            world.sent(response(world.heard(bye), 481, long))
        info = world.heard(request("INFO sip:x@10.0.0.5", call_id=f"old-{number}"))
        world.sent(response(info, 481, long))
    world.look()


def test_why_an_answer_failed_is_kept_short_and_counted() -> None:
    world = World()
    long_reasons(world)
    book = world.recorder.book
    reasons = [line.reason for line in book.lines]
    assert [len(each) for each in reasons] == [MOST_REASON] * 20
    told = sum(len(x.reason) for line in book.lines for x in line.failures or ())
    assert told == (MOST_REASON - 1) * (10 * MOST_FAILURES + 10)
    assert book.size == sum(each.size for each in book.lines)
    assert book.size > told + MOST_REASON * 20


def test_what_is_learned_of_a_line_later_has_an_end_too() -> None:
    world = World(calls=20)
    long_reasons(world)
    book = world.recorder.book
    assert book.size <= 20 * EACH
    assert book.size == sum(each.size for each in book.lines)
    assert all(book.knows(each.call_id) for each in book.lines)
    assert 0 < len(book.lines) == len(book._index)


def test_a_password_is_masked_also_where_a_reason_is_cut() -> None:
    world = World()
    asked = world.heard(request(call_id="call-1"))
    said = "Warning: " + "x" * (MOST_REASON - 16) + " sip:bob:hunter2@contoso.test"
    world.sent(response(asked, 503, said))
    world.ended(asked, 503)
    world.look()
    assert lines(world)[0]["reason"].endswith("x sip:bob:***")
    assert "hunter2" not in str(lines(world))


def test_what_another_worker_saw_of_a_dialog_goes_into_its_line() -> None:
    first, second = World(), World()
    first.call("call-1")
    bye = second.heard(request("BYE sip:x@10.0.0.5", call_id="call-1", cseq=2))
    second.sent(response(bye, 481))
    answers = []
    for world in (first, second):
        world.look()
        answers.append({"is_on": True, "calls": lines(world)})
    (line,) = join_calls(answers)["calls"]
    assert line["method"] == "INVITE"
    assert [x["status"] for x in line["failures"]] == [481]
