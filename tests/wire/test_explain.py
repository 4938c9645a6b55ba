"""``waypost explain`` beside the real service, and without one."""

from pathlib import Path

import pytest

from proxy.journey.journey import Journey
from proxy.journey.legacy_client import LegacyClient
from proxy.lab.front_end import FrontEndServer
from proxy.lab.service import ServiceError
from proxy.lab.service import waypost as in_a_process_of_its_own
from tests.support.ports import free_address
from tests.support.socket_watch import SocketWatch
from tests.support.two_pools import NEW, OLD, TwoPools, two_pools
from tests.support.warm import run, waypost

ALIAS, GC = "sip:ocschat@contoso.test", "sip:GC-9@contoso.test"
ALICE = "sip:alice@contoso.test"
OLD_HOST, NEW_HOST = "127.0.0.31", "127.0.0.32"
PLAN = f'[[change]]\nsip_address = "{ALIAS}"\npool_fqdn = "{NEW}"\n'
WORKERS = "\n[server]\nworkers = 2\n"


@pytest.fixture
async def ends():
    """A front end of each pool."""
    found = FrontEndServer("old", OLD_HOST), FrontEndServer("new", NEW_HOST)
    for each in found:
        await each.start()
    yield found
    for each in found:
        await each.stop()


def places(ends) -> list[tuple[str, int]]:
    return [(each.host, each.port) for each in ends]


async def printed(scene: TwoPools, *words: str) -> str:
    """What people see."""
    line = ("--config", str(scene.config), "explain", *words)
    return (await run(*line, together=True)).stdout


async def new_endpoint(scene: TwoPools) -> None:
    words = "endpoint", "new", "--sip-address", ALIAS, "--pool-fqdn", OLD
    await waypost(scene.config, *words)
    await scene.follows()


@pytest.mark.parametrize("extra", ["", WORKERS], ids=["one", "workers"])
async def test_the_service_says_what_then_happens(tmp_path: Path, ends, extra) -> None:
    old, new = ends
    async with two_pools(tmp_path, *places(ends), extra=extra) as scene:
        await new_endpoint(scene)
        plan = scene.config.with_name("plan.toml")
        plan.write_text(PLAN)
        both = await waypost(
            scene.config, "explain", ALIAS, "--from", ALICE, "--plan", str(plan)
        )
        before, after = both["before"], both["after"]
        assert before["service"] == "" and before["health_known"]
        assert before["decided_by"] == after["decided_by"] == "endpoint"
        assert [way["pool"] for way in before["ways"] + after["ways"]] == [OLD, NEW]
        first, second = before["ways"][0]["candidates"]
        assert second["note"].startswith("only if nobody can be reached over udp")
        assert (first["host"], first["state"]) == (OLD_HOST, "healthy")

        await Journey(LegacyClient(scene.proxy, user=ALICE), ALIAS).play()
        arrived = old.requests("INVITE")[0]
        assert arrived.uri == before["ways"][0]["request_uri"]
        await waypost(scene.config, "cutover", "apply", str(plan), "--force")
        await scene.follows()
        now = await waypost(scene.config, "explain", ALIAS, "--from", ALICE)
        assert now["ways"] == after["ways"]
        print(await printed(scene, ALIAS, "--plan", str(plan)))
        assert not new.requests("INVITE"), "a question sends nothing"
        await Journey(LegacyClient(scene.proxy, user=ALICE), ALIAS).play()
        assert new.requests("INVITE")


async def test_health_is_the_running_services_and_else_unknown(
    tmp_path: Path, ends
) -> None:
    old, _ = ends
    async with two_pools(tmp_path, *places(ends)) as scene:
        await new_endpoint(scene)
        await old.stop()
        for _ in range(3):
            client = LegacyClient(scene.proxy, user=ALICE, transport="tcp")
            (_, tried) = await Journey(client, ALIAS).play()
            assert tried.status == 504, tried
        words = ALIAS, "--from", ALICE, "--listener", "tcp"
        told = await waypost(scene.config, "explain", *words)
        (end,) = told["ways"][0]["candidates"][:1]
        assert (end["transport"], end["state"]) == ("tcp", "ejected")
        assert end["reason"] == "refused" and end["ejected_for"] > 0
        assert end["next_probe_in"] is not None
        text = await printed(scene, *words)
        assert "ejected" in text and "refused" in text and "Health is not" not in text

        await scene.service.stop()
        told = await waypost(scene.config, "explain", *words)
        assert not told["health_known"] and "no service answers" in told["service"]
        assert {c["state"] for c in told["ways"][0]["candidates"]} == {"unknown"}
        assert told["ways"][0]["candidates"][0]["host"] == OLD_HOST
        text = await printed(scene, *words)
        print(text)
        assert "Health is not known: no service answers" in text


@pytest.mark.parametrize("extra", ["", WORKERS], ids=["one", "workers"])
async def test_it_speaks_with_the_admin_listener_and_dns_alone(
    tmp_path: Path, ends, monkeypatch, extra
) -> None:
    """Neither the command nor the service that it asks turns to a front end, nor the
    command when there is no service; front ends are named over UDP and TCP."""
    watch = SocketWatch(tmp_path / "watch")
    for name, value in watch.environment().items():
        monkeypatch.setenv(name, value)
    admin = "{}:{}".format(*free_address("127.0.0.17"))
    more = f'\n[admin]\nlisten = "{admin}"\n{extra}'
    async with two_pools(tmp_path, *places(ends), extra=more) as scene:
        dns = scene.dns.address
        await new_endpoint(scene)
        plan = scene.config.with_name("plan.toml")
        plan.write_text(PLAN)
        words = ALIAS, "--from", ALICE, "--listener", "tcp", "--plan", str(plan)
        watch.take()
        told = await in_a_process_of_its_own(scene.config, "explain", *words)
        assert told["before"]["health_known"]
        assert {x["transport"] for x in told["after"]["ways"][0]["candidates"]} == {
            *("tcp", "udp")
        }
        peers = {peer for _, peer in watch.take()}
        assert admin in peers and peers <= {admin, dns}
        # The watch sees what it shall not see here.
        await in_a_process_of_its_own(scene.config, "doctor", ALIAS)
        seen = {peer for _, peer in watch.take()}
        assert "{}:{}".format(*places(ends)[0]) in seen
        await scene.service.stop()
        watch.take()
        told = await in_a_process_of_its_own(scene.config, "explain", *words)
        assert told["before"]["ways"] and not told["before"]["health_known"]
        assert {peer for _, peer in watch.take()} == {admin, dns}
    for each in ends:
        assert not each.requests("INVITE")


async def test_refusals_and_questions_that_are_none(tmp_path: Path, ends) -> None:
    async with two_pools(tmp_path, *places(ends)) as scene:
        await new_endpoint(scene)
        told = await waypost(scene.config, "explain", "sip:ghost@contoso.test")
        assert told["answer"]["status"] == 404 and told["decided_by"] == "nowhere"
        assert "User does not exist" in told["answer"]["diagnostics"]
        text = await printed(scene, "sip:x@elsewhere.test")
        assert "answered 403" in text and "none of our domains" in text
        for words in (
            ("sip:a b@contoso.test",),
            (ALIAS, "--listener", "tls"),
            (ALIAS, "--method", "DANCE"),
            (ALIAS, "--source", "here"),
        ):
            with pytest.raises(ServiceError):
                await waypost(scene.config, "explain", *words)
