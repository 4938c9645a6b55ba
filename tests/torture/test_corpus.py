"""Our own corpus through the real proxy: the status on the wire, and what went on."""

import pytest

from proxy.net.settings import StreamSettings
from tests.support.messages import lines_of
from tests.support.proxy import running_proxy
from tests.torture.compare import deserves, untouched
from tests.torture.corpus import BROKEN, CASES, PASSES

QUICK = StreamSettings(whole_message=0.3, sweep=0.02)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_message_gets_what_it_deserves(case, transport):
    expected = getattr(case, transport)
    async with running_proxy(transport, streams=QUICK) as proxy:
        async with proxy.client(transport) as client:
            await deserves(proxy, client, case.data, expected)
            for answer in client.received:
                # Nothing comes back that was refused (RFC 3261 section 25.1).
                assert b"\r" not in answer.replace(b"\r\n", b"")
        if expected == PASSES:
            (forwarded,) = proxy.next_hop.received
            assert untouched(forwarded) == untouched(case.data)
            assert b"smuggled" not in forwarded
        elif case in BROKEN:
            assert proxy.next_hop.received == []
        assert proxy.runtime.errors == 0
        assert "Traceback" not in proxy.log.getvalue()


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
async def test_a_broken_message_harms_no_other_connection(case):
    async with running_proxy(streams=QUICK) as proxy:
        async with proxy.client("tcp") as bad, proxy.client("tcp") as good:
            bad.send(case.data)
            good.send(CASES[0].data)
            assert await good.final() == 200
        assert await proxy.is_alive()


async def test_messages_in_front_of_a_framing_error_are_still_served():
    good, bad = CASES[0].data, b"\x16\x03\x01 nonsense"
    async with running_proxy(streams=QUICK) as proxy:
        async with proxy.client("tcp") as client:
            client.send(good + bad)
            await client.hung_up()
            await proxy.settle()
        (forwarded,) = proxy.next_hop.received
        assert lines_of(forwarded, "Call-ID") == lines_of(good, "Call-ID")


async def test_a_stream_cut_anywhere_is_read_as_one():
    whole = CASES[0].data * 2
    async with running_proxy(streams=QUICK) as proxy:
        for cut in range(0, len(whole), 37):
            async with proxy.client("tcp") as client:
                client.send(whole[:cut])
                await proxy.is_alive()
                client.send(whole[cut:])
                assert await client.final() == 200
        assert proxy.runtime.errors == 0
