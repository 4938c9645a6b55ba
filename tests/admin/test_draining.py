"""``pool drain`` and ``undrain``: who a pool's front ends are is asked of DNS."""

import pytest

from proxy.admin import control
from proxy.admin.control import ControlError
from proxy.admin.draining import default_lookup, drain, members_of, undrain
from proxy.endpoints.changes import EndpointFields
from proxy.endpoints.drains import DEFAULT_ROUTE
from proxy.pools.front_end import Lookup
from tests.config.loading import load
from tests.support.dns import dns_zone

POOL = "pool.test"
ZONE = {
    "_sip._udp.pool.test SRV": ["1 1 5060 fe1.pool.test", "2 1 5060 fe2.pool.test"],
    "fe1.pool.test A": "127.0.0.31",
    "fe2.pool.test A": "127.0.0.32",
}


@pytest.fixture
async def world(operator, tmp_path):
    """An operator, a configuration and a zone with a pool of two front ends."""
    await control.new_endpoint(operator, "chat@contoso.test", EndpointFields(POOL))
    async with dns_zone(ZONE) as zone:
        config = load(tmp_path, f'[dns]\nnameservers = ["{zone.address}"]\n')
        yield operator, config, zone


async def drains(operator) -> list[str]:
    return [x.key for x in (await operator.store.load_table()).drains]


async def test_a_front_end_is_drained_and_comes_back(world) -> None:
    operator, config, _ = world
    await drain(operator, config, "fe1.pool.test", reason=" patch ", what_if=True)
    assert await drains(operator) == []
    await drain(operator, config, "fe1.pool.test", seconds=60.0, reason=" patch ")
    (row,) = (await operator.store.load_table()).drains
    assert (row.reason, row.drained_by, row.ends_at) == ("patch", "alice", 160.0)
    await undrain(operator, config, "127.0.0.31")  # by its other name
    assert await drains(operator) == []


async def test_the_last_one_is_refused_without_force_and_force_is_audited(world):
    operator, config, _ = world
    await drain(operator, config, "fe1.pool.test")
    with pytest.raises(ControlError):
        await drain(operator, config, "fe2.pool.test")
    await drain(operator, config, "fe2.pool.test", force=True)
    (row, *_) = await operator.store.history()
    assert row.verb == "pool.drain --force"


async def test_a_front_end_that_no_pool_has_is_refused(world) -> None:
    operator, config, _ = world
    for wrong in ("fe9.pool.test", "127.0.0.99", "not a name"):
        with pytest.raises(ControlError):
            await drain(operator, config, wrong)


async def test_where_dns_is_silent_nobody_is_known(world) -> None:
    operator, config, zone = world
    found = await members_of(operator, config)
    assert [x.name for x in found[POOL] or ()] == ["fe1.pool.test", "fe2.pool.test"]
    zone.fail("*")
    assert (await members_of(operator, config))[POOL] is None


async def test_the_front_ends_of_the_default_route_are_known_too(world, tmp_path):
    operator, config, zone = world
    nameservers = f'[dns]\nnameservers = ["{zone.address}"]\n'
    route = '[routes]\ndefault = "sip:fe1.pool.test:5060;transport=udp"\n'
    config = load(tmp_path, nameservers + route)
    assert default_lookup(config) == Lookup("fe1.pool.test", 5060, "udp")
    found = await members_of(operator, config)
    assert [x.host for x in found[DEFAULT_ROUTE] or ()] == ["127.0.0.31"]
    assert default_lookup(load(tmp_path, "")) is None
