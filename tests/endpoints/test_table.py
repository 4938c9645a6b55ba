"""The snapshot of the endpoint table: its indexes, and what is learned beside it."""

from proxy.endpoints.model import Canary, Drain, Endpoint, LearnedUri, Pool
from proxy.endpoints.table import MOST_POOLS, EndpointTable

CHAT = Endpoint("sip:Chat@b.test", "chat@b.test", "Old.test")


def learned(pool: str, at: float, endpoint: str = CHAT.key) -> LearnedUri:
    return LearnedUri("sip:gc-1@b.test", "gc-1@b.test", pool, endpoint, at, at)


def pools_of(table: EndpointTable) -> list[str]:
    return [each.pool_fqdn for each in table.learned["gc-1@b.test"]]


def test_every_pool_that_a_row_names_is_there() -> None:
    canary = Endpoint("sip:c@b.test", "c@b.test", "p.test", canary=Canary("New.test"))
    table = EndpointTable([CHAT, canary], learned=[learned("far.test", 1.0)])
    assert set(table.pools) == {"old.test", "p.test", "new.test", "far.test"}
    assert table.pool("OLD.TEST") == Pool("old.test") and table.pool("x.test") is None


def test_a_row_of_a_pool_counts_more_than_a_mention() -> None:
    table = EndpointTable([CHAT], [Pool("Old.test", "tls", 5061)])
    assert table.pool("old.test") == Pool("Old.test", "tls", 5061)


def test_an_endpoint_is_found_by_its_tag_and_a_drain_by_its_key() -> None:
    drain = Drain("fe1.old.test", 5060)
    table = EndpointTable([CHAT], drains=[drain])
    assert table.by_tag[table.tags[CHAT.key]] == CHAT
    assert table.drain("fe1.old.test:5060") == drain
    assert table.drain("fe1.old.test") is None


def test_of_one_uri_the_pools_that_named_it_last_are_kept_the_newest_first() -> None:
    rows = [learned(f"p{n}.test", float(n)) for n in range(MOST_POOLS + 2)]
    table = EndpointTable([CHAT], learned=rows)
    assert pools_of(table) == ["p5.test", "p4.test", "p3.test", "p2.test"]
    again = table.with_learned([learned("p2.test", 9.0)])
    assert pools_of(again) == ["p2.test", "p5.test", "p4.test", "p3.test"]


def test_a_uri_of_another_endpoint_takes_the_place_of_all() -> None:
    table = EndpointTable([CHAT], learned=[learned("p.test", 1.0)])
    other = learned("q.test", 0.5, "other@b.test")
    assert pools_of(table.with_learned([other])) == ["q.test"]


def test_what_is_learned_later_leaves_the_snapshot_as_it_was() -> None:
    table = EndpointTable([CHAT], version=7)
    more = table.with_learned([learned("New.test", 1.0)])
    assert not table.learned and table.pool("new.test") is None
    assert more.version == 7 and more.pool("new.test") == Pool("new.test")
    assert more.endpoints is table.endpoints


def test_rows_are_counted_and_known_by_endpoint_and_pool() -> None:
    row = learned("p.test", 1.0)
    table = EndpointTable([CHAT], learned=[row])
    assert table.count_learned(CHAT.key, "p.test") == 1
    assert table.count_learned("x@b.test", "p.test") == 0
    assert table.knows(row) and not table.knows(learned("q.test", 1.0))


def test_a_pattern_of_service_uris_matches_the_whole_address_in_lower_case() -> None:
    endpoint = Endpoint(
        "sip:c@b.test", "c@b.test", "p", service_uris=("sip:GC-*@B.test",)
    )
    table = EndpointTable([CHAT, endpoint])
    assert table.endpoint_by_service_uri("gc-7@b.test") == endpoint
    assert table.endpoint_by_service_uri("gc-7@b.test.evil") is None
    assert table.endpoint_by_service_uri("xgc-7@b.test") is None
