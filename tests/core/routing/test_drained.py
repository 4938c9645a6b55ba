"""A drained front end gets no new dialogs, and keeps those it has."""

from proxy.core import events
from proxy.endpoints.model import Drain
from proxy.endpoints.table import EndpointTable
from tests.core.dialogs.test_dialogs import Dialog
from tests.core.explained.test_explanation import ask
from tests.support.messages import request
from tests.support.playbook import HOSTS, POOL, START, endpoint

FE1 = f"fe1.{POOL}"
SUBSCRIBE = request("SUBSCRIBE sip:ocschat@contoso.test", "Event: presence")


def drained(*drains):
    return EndpointTable((endpoint(),), drains=drains)


def test_new_requests_go_to_the_others(playbook):
    for drain in (Drain(FE1), Drain(HOSTS["fe1"]), Drain(FE1, 5060, POOL)):
        play = playbook(drains=(drain,))
        play.send("client", request())
        play.sees("client < 100", "fe2 < INVITE")
        play.answer("fe2", 200)
        play.sees("client < 200")
        play.send("edge", SUBSCRIBE)
        play.sees("fe2 < SUBSCRIBE")


def test_another_port_or_another_pool_is_another_matter(playbook):
    for drain in (Drain(FE1, 5061), Drain(FE1, pool="other.contoso.test")):
        play = playbook(drains=(drain,))
        play.send("client", request())
        play.sees("client < 100", "fe1 < INVITE")


def test_failover_does_not_come_to_it_either(playbook):
    play = playbook(front_ends=("fe2", "fe1", "fe3"), drains=(Drain(FE1),))
    play.send("client", request())
    play.sees("client < 100", "fe2 < INVITE")
    play.icmp("fe2")
    play.sees("0s fe3 < INVITE")


def test_what_is_in_a_dialog_with_it_stays(playbook):
    play = playbook()
    dialog = Dialog(play)
    play.table_changes(drained(Drain(FE1), Drain(f"fe2.{POOL}")))
    play.send("client", dialog.upstream("BYE sip:channel@10.0.1.1"))
    play.sees("fe1 < BYE")


def test_all_drained_is_504_and_says_why(playbook):
    play = playbook(drains=(Drain(FE1), Drain(f"fe2.{POOL}")))
    play.send("client", request())
    play.sees("client < 100", "client < 504")
    assert b"every front end is drained" in play.last("client")


def test_it_comes_back_by_itself(playbook):
    wall = 1_000_000.0
    play = playbook(drains=(Drain(FE1, ends_at=wall + 60),))
    play.core.handle(events.ClockRead(wall - START), play.now)
    play.send("client", request())
    play.sees("client < 100", "fe2 < INVITE")
    play.answer("fe2", 200)
    play.sees("client < 200")
    play.advance(60.0)
    play.send("edge", SUBSCRIBE)
    play.sees("fe1 < SUBSCRIBE")


def test_the_explanation_shows_who_drained_it_and_why(playbook):
    drain = Drain(FE1, reason="patch day", drained_by="anna")
    found = ask(playbook(drains=(drain,))).ways[0].candidates
    assert [(x.name, x.can_be_tried) for x in found] == [
        (f"fe2.{POOL}", True),
        (FE1, False),
    ]
    assert found[1].note == "skipped: drained by anna: patch day"


def test_the_explanation_of_a_drained_pool_is_its_answer(playbook):
    play = playbook(drains=(Drain(FE1), Drain(f"fe2.{POOL}")))
    told = ask(play)
    assert told.answer is not None and told.answer.status == 504
    assert "every front end is drained" in told.answer.diagnostics
