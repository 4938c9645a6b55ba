"""Rows as JSON and back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.endpoints.codec import (
    endpoint_from_json,
    endpoint_to_json,
    learned_to_json,
    row_from_json,
    row_to_json,
)
from proxy.endpoints.model import Canary, Endpoint, LearnedUri, Pool

names = st.from_regex(r"[A-Za-z0-9]{1,8}", fullmatch=True)
canaries = st.builds(
    Canary, names, st.integers(0, 100), st.frozensets(names, max_size=3)
)
endpoints = st.builds(
    lambda user, **rest: Endpoint(
        f"sip:{user}@c.test", f"{user}@c.test".lower(), **rest
    ),
    names,
    pool_fqdn=names,
    display_name=st.text(max_size=10),
    request_uri=st.sampled_from(["keep", "pool-host", "sip:a@b"]),
    service_uris=st.lists(names, max_size=3).map(tuple),
    state=st.sampled_from(["active", "retired"]),
    retired_text=st.text(max_size=10),
    canary=st.none() | canaries,
    created_at=st.floats(0, 2e9),
    changed_at=st.floats(0, 2e9),
)
pools = st.builds(
    Pool, names, st.sampled_from([None, "udp", "tls"]), st.none() | st.just(1)
)


@given(endpoints | pools | st.none())
def test_every_row_survives_the_journey_through_json(row):
    assert row_from_json(json.loads(json.dumps(row_to_json(row)))) == row


def test_the_codec_knows_every_field_of_an_endpoint():
    known = {*endpoint_to_json(Endpoint("sip:a@b", "a@b", "p.q")), "key"}
    assert known == set(Endpoint.__dataclass_fields__)


def test_a_row_of_an_older_version_loads_with_defaults():
    row = endpoint_from_json({"sip_address": "sip:A@b.c", "pool_fqdn": "p.q"})
    assert row == Endpoint("sip:A@b.c", "a@b.c", "p.q")
    with pytest.raises(KeyError):
        endpoint_from_json({})


def test_a_learned_uri_shows_its_endpoint():
    learned = LearnedUri("sip:GC@b.c", "gc@b.c", "p.q", "a@b.c", 1.0, 2.0)
    assert learned_to_json(learned)["endpoint"] == "a@b.c"
