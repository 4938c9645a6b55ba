"""One answer made of those of several workers."""

from proxy.recorder.book import INSIDE
from proxy.recorder.joined import HANDED_WITHIN, join_calls, join_traces


def message(at: float, direction: str = "in", data: str = "INVITE", **more):
    told = {"at": at, "direction": direction, "data": data}
    return {**told, "transport": "udp", "peer": "10.1.0.9:40000", **more}


def call(*messages, call_id: str = "c", **more):
    told = {"call_id": call_id, "messages": list(messages), "facts": [], "names": {}}
    return {**told, "why": ["failed"], "from": "", **more}


def trace(*calls, is_on: bool = True, skipped: int = 0):
    return {"is_on": is_on, "bodies": False, "skipped": skipped, "calls": list(calls)}


def line(at: float, call_id: str = "c", uri: str = "sip:x", failures=()):
    told = {"at": at, "call_id": call_id, "request_uri": uri, "is_failed": False}
    return {**told, "failures": list(failures)}


def test_what_workers_know_of_one_call_stands_together_in_order_of_time() -> None:
    first = trace(call(message(2.0), why=["slow"], facts=[{"at": 5.0}]), skipped=1)
    second = trace(
        call(message(1.0, "out"), facts=[{"at": 4.0}], names={"10.0.1.1": "fe1"}),
        skipped=2,
        is_on=False,
    )
    second["calls"][0]["from"] = "<sip:alice@contoso.test>"
    joined = join_traces([first, second])
    (found,) = joined["calls"]
    assert [(x["at"], x["worker"]) for x in found["messages"]] == [(1.0, 1), (2.0, 0)]
    assert [x["at"] for x in found["facts"]] == [4.0, 5.0]
    assert found["why"] == ["slow", "failed"] and found["names"] == {"10.0.1.1": "fe1"}
    assert found["from"] == "<sip:alice@contoso.test>"
    assert (joined["is_on"], joined["skipped"]) == (True, 3)


def test_a_message_that_was_handed_over_is_told_once() -> None:
    soon = HANDED_WITHIN / 2
    joined = join_traces([trace(call(message(1.0))), trace(call(message(1.0 + soon)))])
    assert [x["at"] for x in joined["calls"][0]["messages"]] == [1.0]


def test_a_repetition_is_told_each_time() -> None:
    late = 1.0 + 2 * HANDED_WITHIN
    joined = join_traces([trace(call(message(1.0))), trace(call(message(late)))])
    assert len(joined["calls"][0]["messages"]) == 2
    same_worker = trace(call(message(1.0), message(1.1)))
    assert len(join_traces([same_worker])["calls"][0]["messages"]) == 2
    sent = trace(call(message(1.0, "out")))
    again = trace(call(message(1.1, "out")))
    assert len(join_traces([sent, again])["calls"][0]["messages"]) == 2


def test_the_newest_call_comes_first() -> None:
    old, new = call(message(1.0), call_id="old"), call(message(2.0), call_id="new")
    found = join_traces([trace(old, call(call_id="empty")), trace(new)])["calls"]
    assert [x["call_id"] for x in found] == ["new", "old", "empty"]


def test_what_failed_inside_a_dialog_goes_into_the_line_that_began_it() -> None:
    began = {"is_on": True, "calls": [line(1.0, failures=[{"status": 500}])]}
    inside = {
        "is_on": False,
        "calls": [line(2.0, uri=INSIDE, failures=[{"status": 481}])],
    }
    (found,) = join_calls([inside, began])["calls"]
    assert [x["status"] for x in found["failures"]] == [500, 481]
    assert found["is_failed"] and found["request_uri"] == "sip:x"


def test_a_dialog_whose_beginning_nobody_knows_keeps_its_line() -> None:
    lines = {"is_on": False, "calls": [line(1.0, "a", INSIDE), line(3.0, "b")]}
    joined = join_calls([lines])
    assert [x["call_id"] for x in joined["calls"]] == ["b", "a"]
    assert joined["is_on"] is False
