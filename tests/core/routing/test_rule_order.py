"""Whoever asks is told which rule decided; nobody else pays for it."""

import pytest

from proxy.core.routing.route_set import read_routes
from proxy.core.routing.rule_order import RULES, decided_by
from proxy.endpoints.model import LearnedUri
from tests.support.messages import read, request
from tests.support.playbook import DOMAIN, HOSTS, POOL

LEARNED = LearnedUri(
    f"sip:GC@{DOMAIN}", f"gc@{DOMAIN}", POOL, f"ocschat@{DOMAIN}", 1, 1
)


@pytest.mark.parametrize(
    ("start", "extra", "rule"),
    [
        (f"INVITE sip:ocschat@{DOMAIN}", (), "endpoint"),
        (f"INVITE sip:x@{POOL}", (), "pool"),
        (f"INVITE sip:gc@{DOMAIN}", (), "learned"),
        ("OPTIONS sip:10.0.0.5", (), "ourselves"),
        (f"INVITE sip:x@{DOMAIN}", ("Route: <sip:192.0.2.1;lr>",), "route"),
        (f"INVITE sip:ghost@{DOMAIN}", (), "nowhere"),
        ("INVITE sip:x@elsewhere.test", (), "nowhere"),
    ],
)
def test_the_notes_say_who_decided(playbook, start, extra, rule):
    play = playbook(learned=(LEARNED,))
    play.core.router.front_ends[HOSTS["fe1"]] = POOL
    asked, core = read(request(start, *extra)), play.core
    routes = read_routes(asked, core.identity, core.tokens)
    notes: list[str] = []
    told = core.router.decide(asked, routes, play.flow("client"), 1.0, None, notes)
    assert decided_by(notes) == rule
    assert tuple(notes) == RULES[: RULES.index(rule)]
    untold = core.router.decide(asked, routes, play.flow("client"), 1.0)
    assert type(told) is type(untold)
