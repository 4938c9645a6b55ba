"""Without a store and without probes an explanation gets plain answers."""

from proxy.pools.front_end import FrontEnd
from proxy.server.store_side.asking import Asking


async def test_nothing_more_is_known_without_a_store_and_probes():
    asking = Asking()
    assert list(await asking.store(["a@contoso.test"], 0.0)) == []
    assert asking.next_probe(FrontEnd("udp", "10.0.0.1", 5060)) is None
