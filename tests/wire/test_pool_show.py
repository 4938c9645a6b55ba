"""`waypost pool show` asks the running service how its front ends are."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from proxy.journey.journey import Journey
from proxy.journey.legacy_client import LegacyClient
from proxy.lab.front_end import FrontEndServer
from tests.support.scene import FRONT_END_HOSTS, waypost_scene
from tests.support.warm import run, waypost

ALIAS = "sip:ocschat@contoso.test"
POOL = "pcpool.contoso.test"


async def shown(config: Path) -> str:
    return (await run("--config", str(config), "pool", "show", POOL)).stdout


async def forgotten(proxy: tuple[str, int], front_end: FrontEndServer) -> None:
    """A call whose dialog the front end no longer knows."""
    client = LegacyClient(proxy, transport="tcp")
    await client.connect()
    dialog, answer = await client.call(ALIAS)
    assert answer.status == 200
    front_end.dialogs.clear()
    assert (await client.request(client.info(dialog, b"x"))).status == 481
    await client.close()


async def test_a_dead_front_end_is_shown_with_the_reason(
    tmp_path: Path,
) -> None:
    first, second = (
        FrontEndServer(f"fe{n}", host) for n, host in enumerate(FRONT_END_HOSTS, 1)
    )
    async with AsyncExitStack() as stack:
        for front_end in (first, second):
            await front_end.start()
            stack.push_async_callback(front_end.stop)
        addresses = [(x.host, x.port) for x in (first, second)]
        opened = waypost_scene(tmp_path, addresses, "tcp")
        scene = await stack.enter_async_context(opened)
        config = next(tmp_path.rglob("waypost.toml"))
        text = await shown(config)
        assert "2 of 2 front ends in use by the running service" in text
        assert text.count("healthy") == 2
        await first.stop()
        for _ in range(3):
            client = LegacyClient(scene.proxy, transport="tcp")
            await Journey(client, ALIAS).play()
        await forgotten(scene.proxy, second)
        text = await shown(config)
        assert "1 of 2 front ends in use by the running service" in text
        row, change = [line for line in text.splitlines() if "ejected" in line]
        assert FRONT_END_HOSTS[0] in row and "refused" in row
        assert "fe1" in change and "refused" in change
        assert max(map(len, text.splitlines())) <= 80
        found = await waypost(config, "pool", "show", POOL)
        states = {x["host"]: x["state"] for x in found["dns"]["front_ends"]}
        assert states == {FRONT_END_HOSTS[0]: "ejected", FRONT_END_HOSTS[1]: "healthy"}
        assert found["service"]["problem"] == ""
        out, well = sorted(found["service"]["front_ends"], key=lambda x: x["address"])
        assert (out["state"], out["reason"]) == ("ejected", "refused")
        assert out["calls"] == out["failed"] >= 3
        assert well["calls"] >= 3 and well["failed"] == 0
        inside = [x["failed_in_dialogs"] for x in (out, well)]
        assert (
            inside == [0, 1]
            and "fe2.contoso.test failed 1 request inside dialogs" in text
        )
        assert [x["state"] for x in out["transitions"]][-3:] == [
            *("suspect", "suspect", "ejected")
        ]
        since = datetime.fromisoformat(out["since"])
        assert abs((datetime.now(UTC) - since).total_seconds()) < 60
        assert 0 <= out["next_probe_in"] <= 12
        assert out["certificate_ends"] is None and well["since"] is None


async def test_a_pool_that_no_endpoint_leads_to_is_dns_alone(tmp_path: Path) -> None:
    async with waypost_scene(tmp_path, [(FRONT_END_HOSTS[0], 5060)]):
        config = next(tmp_path.rglob("waypost.toml"))
        done = await run("--config", str(config), "pool", "show", "no.contoso.test")
        assert "the service has no endpoint that leads to this pool" in done.stdout
        assert done.returncode == 1
