"""The chat probe on a schedule: through our own listener to each front end."""

import asyncio
import http.client
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proxy.config import load_config
from proxy.lab.front_end import Behaviour, FrontEndServer
from proxy.lab.service import Service
from proxy.lab.setting import ALIAS
from proxy.pools.front_end import FrontEnd
from proxy.pools.prober import probe
from proxy.store import open_store
from tests.support.broken_channels import HangingChannel
from tests.support.certificates import Authority
from tests.support.ports import free_address
from tests.support.scene import FRONT_END_HOSTS, Scene, waypost_scene
from tests.support.warm import run

POOL = "pcpool.contoso.test"
EXTRA = """
[chat_probe]
every = "1s"
{chat}
[attempts]
total = 6.0
[admin]
listen = "{admin}"
[server]
workers = {workers}
"""
PATIENCE = 30.0


@dataclass
class Probed:
    """A running service that probes two front ends, and what it says of them."""

    scene: Scene
    admin: tuple[str, int]
    config: Path

    async def get(self, path: str) -> str:
        """A page; the admin listener may open a moment after the others."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    return await asyncio.to_thread(self._get, path)
                except OSError:
                    await asyncio.sleep(0.05)

    def _get(self, path: str) -> str:
        connection = http.client.HTTPConnection(*self.admin, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    async def status(self) -> dict[str, Any]:
        text = await self.get("/status")
        return json.loads(text)["chat_probe"]

    async def metrics(self, name: str) -> dict[str, float]:
        text = await self.get("/metrics")
        found = re.findall(rf"^waypost_{name}(\{{.*\}})? (\S+)$", text, re.MULTILINE)
        return {labels: float(value) for labels, value in found}

    async def until(self, holds: Callable[[list[dict[str, Any]]], bool]) -> list[Any]:
        """Wait until the front ends, as status shows them, are so."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = (await self.status())["front_ends"]
                if found and holds(found):
                    return found
                await asyncio.sleep(0.1)


@asynccontextmanager
async def probed(
    directory: Path, front_ends: list[FrontEndServer], *, workers: int = 1, chat=""
) -> AsyncIterator[Probed]:
    async with AsyncExitStack() as stack:
        for front_end in front_ends:
            await front_end.start()
            stack.push_async_callback(front_end.stop)
        admin = free_address("127.0.0.7")
        extra = EXTRA.format(admin="{}:{}".format(*admin), workers=workers, chat=chat)
        addresses = [(x.host, x.port) for x in front_ends]
        opened = waypost_scene(directory, addresses, extra=extra)
        scene = await stack.enter_async_context(opened)
        yield Probed(scene, admin, directory / "waypost.toml")


def place(front_end: FrontEndServer, transport: str = "tcp") -> str:
    number = FRONT_END_HOSTS.index(front_end.host) + 1
    return f"fe{number}.contoso.test {transport}:{front_end.host}:{front_end.port}"


def labels(front_end: FrontEndServer, transport: str = "tcp") -> str:
    """Those of every metric of a front end."""
    number = FRONT_END_HOSTS.index(front_end.host) + 1
    return (
        f'{{address="{front_end.host}:{front_end.port}",'
        f'front_end="fe{number}.contoso.test",pool="{POOL}",transport="{transport}"}}'
    )


async def test_a_lookup_that_answers_and_a_channel_that_hangs(tmp_path: Path) -> None:
    """OPTIONS is green, the chat probe is red; and it is red for this one alone."""
    good = FrontEndServer("fe1", FRONT_END_HOSTS[0])
    bad = HangingChannel("fe2", FRONT_END_HOSTS[1])
    async with probed(tmp_path, [good, bad]) as service:
        found = await service.until(lambda each: len(each) == 2)
        by_name = {each["front_end"]: each for each in found}
        assert by_name[place(good)]["success"] is True
        red = by_name[place(bad)]
        assert (red["success"], red["step"]) == (False, "rpl-bjoin")
        for front_end in (good, bad):
            target = FrontEnd("tcp", front_end.host, front_end.port)
            answered = await probe(target, None, None, 2.0, reads_names=False)
            assert answered.options is not None and answered.options.status == 200
        success = await service.metrics("chat_probe_success")
        assert success == {labels(good): 1.0, labels(bad): 0.0}
        steps = await service.metrics("chat_probe_seconds")
        assert any('step="rpl-bjoin"' in labels for labels in steps)
        assert "chat.failed" in service.scene.log.read_text()


async def test_probes_are_no_users(tmp_path: Path) -> None:
    """Not in the ledger, nothing learned, in no count of requests or attempts."""
    front_end = FrontEndServer("fe1", FRONT_END_HOSTS[0])
    chat = 'from = "sip:robot@contoso.test"'
    async with probed(tmp_path, [front_end], chat=chat) as service:
        await front_end.wait_for("INVITE", 4)
        found = await service.until(lambda each: each[0]["success"])
        assert found[0]["address"] == ALIAS
        assert await service.metrics("attempts_total") == {}
        finished = await service.metrics("requests_finished_total")
        assert not any(finished[each] for each in finished if "INVITE" in each)
        assert await service.metrics("learned_uris") == {"": 0.0}
        store = await open_store(load_config(service.config).store_url)
        assert await store.usage() == []
        await store.close()
    for invite in front_end.requests("INVITE"):
        assert "sip:robot@contoso.test" in invite.get("From")
        assert not invite.get("Route")
    assert not front_end.dialogs


@pytest.mark.parametrize("workers", [1, 2])
async def test_one_process_does_it_over_every_transport_that_clients_use(
    tmp_path: Path, workers: int
) -> None:
    front_ends = [FrontEndServer("fe", host) for host in FRONT_END_HOSTS]
    chat = 'transports = ["udp", "tcp"]'
    async with probed(tmp_path, front_ends, workers=workers, chat=chat) as service:
        found = await service.until(lambda each: len(each) == 4)
        assert all(each["success"] for each in found), found
        assert {each["front_end"] for each in found} == {
            place(front_end, transport)
            for front_end in front_ends
            for transport in ("udp", "tcp")
        }
        assert {seen.transport for seen in front_ends[0].seen} == {"udp", "tcp"}
        # Of each call the lookup and the channel, and the round that is under way.
        done = (await service.metrics("chat_probes_total"))['{result="ok"}']
        played = sum(len(each.requests("INVITE")) for each in front_ends)
        assert played <= 2 * (done + 8)


async def test_a_front_end_that_recovers_is_green_again(tmp_path: Path) -> None:
    front_end = FrontEndServer("fe1", FRONT_END_HOSTS[0])
    front_end.behaviour = Behaviour("answer", 500)
    async with probed(tmp_path, [front_end]) as service:
        (red,) = await service.until(lambda each: not each[0]["success"])
        assert (red["step"], "500" in red["reason"]) == ("INVITE", True)
        shown = await command(service.config, "status")
        assert "Chat probe" in shown and "0 of 1 front ends serve chat" in shown
        assert "INVITE: 500" in shown
        front_end.behaviour = Behaviour()
        await service.until(lambda each: each[0]["success"])
        shown = await command(service.config, "pool", "show", POOL)
        assert re.search(r"Chat probe\s+: 1 of 1 front ends serve chat", shown)


async def test_a_reload_turns_it_off_and_on_and_has_another_caller(
    tmp_path: Path,
) -> None:
    front_end = FrontEndServer("fe1", FRONT_END_HOSTS[0])
    async with probed(tmp_path, [front_end], workers=2) as service:
        await service.until(lambda each: each[0]["success"])

        async def reload(new: str) -> None:
            text = service.config.read_text()
            service.config.write_text(re.sub('every = ".*"', new, text))
            os.kill(service.scene.pid, signal.SIGHUP)

        await reload('every = "0s"')
        async with asyncio.timeout(PATIENCE):
            while (shown := await service.status())["every"] or shown["front_ends"]:
                await asyncio.sleep(0.1)
        assert await service.metrics("chat_probe_success") == {}
        caller = "sip:robot@contoso.test"
        assert not any(caller in x.get("From") for x in front_end.requests("INVITE"))
        # An hour from the round before it would come; a changed section is tried now.
        await reload(f'every = "1h"\nfrom = "{caller}"')
        await service.until(lambda each: each[0]["success"])
        assert caller in front_end.requests("INVITE")[-1].get("From")
        assert "config.needs_restart" not in service.scene.log.read_text()


async def test_of_two_services_on_one_store_one_does_it_and_the_other_takes_over(
    tmp_path: Path,
) -> None:
    front_end = FrontEndServer("fe1", FRONT_END_HOSTS[0])
    async with probed(tmp_path, [front_end]) as first:
        await first.until(lambda each: each[0]["success"])
        (tmp_path / "second").mkdir()
        config = tmp_path / "second" / "waypost.toml"
        sip, admin = free_address("127.0.0.8"), free_address("127.0.0.8")
        text = first.config.read_text()
        text = text.replace("{}:{}".format(*first.scene.proxy), "{}:{}".format(*sip))
        text = text.replace("{}:{}".format(*first.admin), "{}:{}".format(*admin))
        config.write_text(text)
        service = Service(config, tmp_path / "second" / "log")
        await service.start(sip)
        try:
            scene = Scene("waypost", sip, service.pid, service.log)
            second = Probed(scene, admin, config)
            async with asyncio.timeout(PATIENCE):
                while not (await second.status())["by"]:
                    await asyncio.sleep(0.1)
            assert (await second.status())["front_ends"] == []
            assert await second.metrics("chat_probe_success") == {}
            os.kill(first.scene.pid, signal.SIGKILL)
            await second.until(lambda each: each[0]["success"])
        finally:
            await service.stop()


async def command(config: Path, *words: str) -> str:
    """What ``waypost`` says."""
    return (await run("--config", str(config), *words)).stdout


async def test_over_a_tls_listener_that_wants_certificates(tmp_path: Path) -> None:
    """We show our own, which the authorities of the listener have signed."""
    authority = Authority(tmp_path)
    files = authority.issue("proxy.contoso.test")
    host, port = free_address("127.0.0.7")
    chat = f"""transports = ["tls"]
[[listen]]
transport = "tls"
address = "{host}:{port}"
certificate = "{files.certificate}"
key = "{files.key}"
ca = "{files.ca}"
verify_client = "required"
"""
    front_end = FrontEndServer("fe1", FRONT_END_HOSTS[0])
    async with probed(tmp_path, [front_end], chat=chat) as service:
        (found,) = await service.until(lambda each: len(each) == 1)
        assert found["success"], found
        async with asyncio.timeout(PATIENCE):
            while f'"source": "tls:{host}:' not in service.scene.log.read_text():
                await asyncio.sleep(0.05)
