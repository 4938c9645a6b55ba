"""What was learned here stays until the store knows it, pool by pool."""

from proxy.core.routing.learned_uris import UnsavedUris, pool_of_caller
from proxy.endpoints.model import Canary, LearnedUri
from proxy.endpoints.table import EndpointTable
from tests.support.messages import read, request
from tests.support.playbook import DOMAIN, OTHER_POOL, POOL, endpoint

GC, KEY, OWNER = f"sip:GC@{DOMAIN}", f"gc@{DOMAIN}", f"ocschat@{DOMAIN}"


def test_what_the_store_does_not_know_yet_is_added_to_its_table():
    unsaved, table = UnsavedUris(), EndpointTable((endpoint(),))
    first = unsaved.note(table, GC, POOL, OWNER)
    assert first is not None and unsaved.note(first, GC, POOL, OWNER) is None
    both = unsaved.note(first, GC, OTHER_POOL, OWNER)
    assert both is not None
    assert [x.pool_fqdn for x in both.learned[KEY]] == [OTHER_POOL, POOL]
    behind = EndpointTable(
        (endpoint(),), learned=[LearnedUri(GC, KEY, POOL, OWNER, 1, 1)]
    )
    unsaved.settle(behind)
    pools = {x.pool_fqdn for x in unsaved.joined(behind).learned[KEY]}
    assert pools == {POOL, OTHER_POOL}
    unsaved.settle(EndpointTable())
    assert unsaved.joined(behind) is behind, "its endpoint is gone"


def test_the_callers_pool_among_those_that_told_it():
    rows = [LearnedUri(GC, KEY, POOL, OWNER, 1, 1)]
    asked = read(request(f"INVITE {GC}"))
    assert pool_of_caller(EndpointTable((endpoint(),)), asked, rows) == POOL
    assert pool_of_caller(EndpointTable(), asked, rows) == POOL
    moved = EndpointTable((endpoint(canary=Canary(OTHER_POOL, 100)),))
    assert pool_of_caller(moved, asked, rows) == ""
