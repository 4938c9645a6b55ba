"""How a call stands on a screen of 80 columns."""

import pytest

from proxy.cli.screen.call_ladder import ladder
from proxy.recorder.ladder import label_of, our_reason
from tests.recorder.world import World
from tests.support.messages import request, response

DIAGNOSTICS = (
    'ms-diagnostics: 1007;source="wp.test";reason="Temporarily cannot route";'
    'pool="pcpool.contoso.test";cause="refused"'
)


def failed_over() -> World:
    world = World()
    asked = world.heard(request())
    world.sent(response(asked, 100))
    forwarded = request(via="SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKwp1")
    for _ in range(3):
        world.sent(forwarded, world.front_end)
    return world


def shown(world: World, width: int = 80) -> list[str]:
    world.look()
    (call,) = world.recorder.find(0, 1e12, 10)
    call["names"] = {"10.0.1.1": "fe1.contoso.test"}
    lines = ladder(call, width)
    assert max(map(len, lines)) <= width
    return lines


def test_repeated_messages_are_counted_and_our_reason_is_told() -> None:
    world = failed_over()
    asked = request()
    world.now += 2
    world.recorder.tape.woke(world.now)
    world.sent(response(asked, 504, DIAGNOSTICS))
    world.ended(asked, 504, (("fe1.contoso.test", "timeout", 2.0),), 2.0)
    lines = shown(world)
    drawn = [line[9:] for line in lines if "INVITE" in line and "│" in line]
    assert [line.rstrip() for line in drawn] == [
        "│──────── INVITE ─────────>│                          │",
        "│                          │─── INVITE ×3 in 0 ms ───>│",
    ]
    assert any(
        "✗ Temporarily cannot route (pool pcpool.contoso.test, cause refused)" in line
        for line in lines
    )
    assert any("✗ fe1.contoso.test: timeout after 2.0 s" in line for line in lines)


def test_an_answer_of_somebody_else_is_not_ours_to_explain() -> None:
    world = failed_over()
    asked = request()
    world.heard(response(asked, 504, DIAGNOSTICS), world.front_end)
    world.sent(response(asked, 504, DIAGNOSTICS))
    world.ended(asked, 504, (("fe1.contoso.test", "504", 0.1),), 0.1)
    assert not any("Temporarily" in line for line in shown(world))


@pytest.mark.parametrize("width", [60, 80, 132])
def test_more_peers_than_fit_are_named_in_the_arrow(width: int) -> None:
    world = World()
    asked = world.heard(request())
    for number in range(7):
        flow = type(world.client)(world.listener, f"10.0.1.{number}", 5060)
        world.sent(request(call_id="call-1", cseq=number + 1), flow)
    world.sent(response(asked, 503))
    world.ended(asked, 503)
    lines = shown(world, width)
    assert sum("more" in line for line in lines) == 1
    assert any("[10.0.1.6" in line for line in lines)


@pytest.mark.parametrize(
    ("data", "label"),
    [
        ("INVITE sip:x SIP/2.0\r\nCSeq: 1 INVITE\r\n", "INVITE"),
        ("SIP/2.0 180 Ringing\r\nCSeq: 1 INVITE\r\n", "180 Ringing"),
        ("SIP/2.0 200 OK\r\ncseq : 2  BYE\r\n", "200 OK (BYE)"),
        ("\x1b[31mEVIL sip:x SIP/2.0\r\n", "%1b[31mEVIL"),
    ],
)
def test_an_arrow_says_what_it_carries(data: str, label: str) -> None:
    assert label_of(data) == label


def test_a_warning_is_a_reason_too() -> None:
    data = 'SIP/2.0 403 Forbidden\r\nWarning: 399 wp "no"\r\n\r\n'
    assert our_reason(data) == '399 wp "no"'


def test_a_refusal_says_which_rule_it_was() -> None:
    world = World()
    asked = world.heard(request("INVITE sip:nobody@contoso.test"))
    world.sent(response(asked, 404))
    world.ended(asked, 404, rule="nowhere")
    text = " ".join(" ".join(shown(world)).split())
    assert "✗ rule nowhere: no rule knows the address: it is no endpoint" in text


def test_the_last_attempt_breaks_before_our_answer() -> None:
    world = failed_over()
    asked = request()
    world.now += 2
    world.recorder.tape.woke(world.now)
    world.sent(response(asked, 504, DIAGNOSTICS))
    world.now += 0.0004
    world.ended(asked, 504, (("fe1.contoso.test", "timeout", 2.0),), 2.0)
    lines = shown(world)
    broke = next(n for n, x in enumerate(lines) if "✗ fe1.contoso.test: timeout" in x)
    answered = next(n for n, x in enumerate(lines) if "504" in x and "<" in x)
    assert broke < answered


def test_a_dialog_that_the_other_end_does_not_know_is_explained() -> None:
    world = World()
    asked = world.call("call-1")
    info = world.heard(request("INFO sip:x@10.0.0.5", call_id="call-1", cseq=2))
    world.sent(info, world.front_end)
    world.heard(response(info, 481), world.front_end)
    world.sent(response(info, 481))
    assert asked
    text = " ".join(" ".join(shown(world)).split())
    assert text.count("fe1.contoso.test does not know this dialog") == 1


def test_on_a_narrow_screen_arrows_still_have_the_whole_address() -> None:
    world = failed_over()
    said = response(world.heard(request("UPDATE sip:x@y")), 200)
    world.heard(said, world.front_end)
    world.sent(said)
    world.ended(request(), 503)
    text = "\n".join(shown(world, 60))
    assert "─ 200 OK (UPDATE) [10.0.1.1:5060] ─" in text
