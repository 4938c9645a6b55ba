"""What is said of a request: reasons, what must be waited for, tables supposed."""

import pytest

from proxy.core.explained.explanation import explain
from proxy.core.explained.question import Question, flow_of, message_of, request_of
from proxy.core.routing.rule_order import RULES
from proxy.endpoints.canary import bucket_of
from proxy.endpoints.model import Canary, LearnedUri
from proxy.endpoints.table import EndpointTable
from proxy.sip.errors import MalformedMessage
from tests.support.playbook import DOMAIN, OTHER_POOL, POOL, endpoint

BOB, CAROL = f"bob@{DOMAIN}", f"carol@{DOMAIN}"


def ask(play, uri=f"sip:ocschat@{DOMAIN}", caller=BOB, method="INVITE", **more):
    listener = play.flows.listeners[0]
    question = Question(uri, f"sip:{caller}", method, "192.0.2.1", listener)
    flow = flow_of(question)
    request = request_of(message_of(question), flow)
    return explain(play.core, request, flow, play.now, **more)


def test_every_rule_before_the_one_that_decides_says_no_and_why(play):
    told = ask(play, f"sip:ghost@{DOMAIN}")
    assert [each.rule for each in told.rules] == list(RULES)
    assert [each.says for each in told.rules] == ["no"] * (len(RULES) - 1) + ["decides"]
    assert all(each.why for each in told.rules)
    assert told.answer is not None and told.answer.status == 404


@pytest.mark.parametrize(("caller", "pool"), [(BOB, POOL), (CAROL, OTHER_POOL)])
def test_the_canary_is_told_for_this_caller(playbook, caller, pool):
    low, high = sorted([BOB, CAROL], key=bucket_of)
    canary = Canary(OTHER_POOL, bucket_of(high), frozenset())
    play = playbook(endpoints=(endpoint(canary=canary),))
    play.knows(OTHER_POOL, "fe3")
    told = ask(play, caller=low)
    assert told.canary is not None and told.canary.chosen == OTHER_POOL
    assert told.ways[0].pool == OTHER_POOL and told.ways[0].candidates[0].host
    other = ask(play, caller=high)
    assert other.canary is not None and other.canary.chosen == POOL
    assert str(bucket_of(high)) in other.rules[-1].why
    piloted = Canary(OTHER_POOL, 0, frozenset({caller}))
    play = playbook(endpoints=(endpoint(canary=piloted),))
    assert "pilot" in ask(play, caller=caller).rules[-1].why


def test_what_dns_must_be_asked_is_named(playbook):
    play = playbook(unresolved=True)
    told = ask(play)
    assert [lookup.host for lookup in told.needs] == [POOL] and told.answer is None
    found = play.knows(POOL, "fe1")
    play.cached.clear()
    told = ask(play, answers={found.lookup: found})
    assert not told.needs and told.ways[0].candidates[0].name == f"fe1.{POOL}"


def test_a_store_that_would_be_asked_is_told(playbook):
    play = playbook(asks_store=True)
    assert ask(play, f"sip:ghost@{DOMAIN}").asks_store
    told = ask(play, f"sip:ghost@{DOMAIN}", found=())
    assert not told.asks_store and told.answer is not None


def test_a_supposed_table_is_looked_at_and_gone_again(playbook):
    learned = LearnedUri(f"sip:x@{DOMAIN}", f"x@{DOMAIN}", POOL, "ocschat", 1.0, 1.0)
    play = playbook()
    play.knows(OTHER_POOL, "fe3")
    router = play.core.router
    router.learn(learned.uri, POOL, f"ocschat@{DOMAIN}")
    before = router.table
    kept = router.suppose(EndpointTable((endpoint(pool=OTHER_POOL),)), ())
    assert ask(play).ways[0].pool == OTHER_POOL
    assert f"x@{DOMAIN}" in router.table.learned, "what is not in the store yet"
    router.restore(kept)
    assert router.table is before and ask(play).ways[0].pool == POOL


def test_a_retired_endpoint_says_what_callers_are_told(playbook):
    gone = endpoint(state="retired", retired_text="Use the new client")
    told = ask(playbook(endpoints=(gone,)))
    assert told.answer is not None
    assert (told.answer.status, told.answer.reason) == (410, "Use the new client")
    assert "ms-diagnostics" not in told.answer.diagnostics and told.answer.diagnostics


@pytest.mark.parametrize("uri", ["sip:a b@contoso.test", "sip:x@y\r\nVia: z", "sip:"])
def test_what_nobody_can_dial_is_no_question(play, uri):
    with pytest.raises(MalformedMessage):
        ask(play, uri)


def test_a_drain_refuses_what_is_new(play):
    play.core.requests.is_draining = True
    told = ask(play)
    assert told.decided_by == "draining" and told.answer is not None
    assert told.answer.status == 503
