"""Each rule says why: what a user, a pool or a canary has to do with it."""

import pytest

from proxy.endpoints.model import LearnedUri
from tests.core.explained.test_explanation import ask
from tests.support.playbook import DOMAIN, POOL, endpoint

GC = LearnedUri(f"sip:GC@{DOMAIN}", f"gc@{DOMAIN}", POOL, f"ocschat@{DOMAIN}", 1.0, 1.0)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        (f"sip:ocschat@{DOMAIN}", f"all its users go to {POOL}"),
        (f"sip:x@{POOL}", "a pool of ours"),
        (f"sip:gc@{DOMAIN}", f"pool {POOL} handed it out"),
        (f"sip:svc-1@{DOMAIN}", "a --service-uri pattern"),
        (f"sip:ghost@{DOMAIN}", "there is no such user"),
        ("sip:x@elsewhere.test", "no open relay"),
        ("sip:10.0.0.5", "the proxy itself is asked"),
    ],
)
def test_the_rule_that_decides_says_why(playbook, uri, said):
    named = endpoint(service_uris=(f"sip:svc-*@{DOMAIN}",))
    play = playbook(endpoints=(named,), learned=(GC,))
    assert said in ask(play, uri).rules[-1].why
