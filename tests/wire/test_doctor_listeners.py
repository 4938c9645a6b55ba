"""The doctor at our own listeners: TLS ones that want a certificate included."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.lab.front_end import FrontEndServer
from tests.support.certificates import Authority
from tests.support.ports import free_port
from tests.support.two_pools import NEW, TwoPools, two_pools
from tests.support.warm import run, waypost

HOST = "127.0.0.17"
NAME = "proxy.contoso.test"
LINE = ("endpoint", "new", "--sip-address", "ocschat@contoso.test")


@dataclass
class World:
    scene: TwoPools
    authority: Authority
    client: Path

    async def doctor(self, *more: str) -> dict[str, Any]:
        done = await run("--config", str(self.scene.config), "doctor", "--json", *more)
        found: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == (found["verdict"] == "failed")
        return found

    async def listeners(self, *more: str) -> dict[str, dict[str, Any]]:
        """The step of each listener by its transport."""
        steps = (await self.doctor(*more))["steps"]
        found = [step for step in steps if step["name"] == "listener"]
        return {step["text"].split()[0]: step for step in found}


@contextlib.asynccontextmanager
async def world(directory: Path, peers: str = "") -> AsyncIterator[World]:
    """The service with a TLS listener that wants certificates, and one pool."""
    authority = Authority(directory)
    own, client = authority.issue(NAME), authority.issue("fe.contoso.test")
    both = directory / "client.pem"
    parts = (client.certificate, client.key)
    both.write_text("".join(Path(str(part)).read_text() for part in parts))
    extra = (
        f'\n[[listen]]\ntransport = "tls"\naddress = "{HOST}:{free_port(HOST)}"\n'
        f'verify_client = "required"\n{peers}\n'
        f'[tls]\ncertificate = "{own.certificate}"\nkey = "{own.key}"\n'
        f'ca = "{authority.ca}"\n'
    )
    front_ends = [FrontEndServer(f"fe{n}", f"127.0.0.{28 + n}") for n in (0, 1)]
    for each in front_ends:
        await each.start()
    try:
        addresses = [(each.host, each.port) for each in front_ends]
        async with two_pools(directory, *addresses, extra) as scene:
            await waypost(scene.config, *LINE, "--pool-fqdn", NEW)
            yield World(scene, authority, both)
    finally:
        for each in front_ends:
            await each.stop()


async def test_each_listener_is_tried_and_the_journey_goes_over_each(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as it:
        steps = (await it.doctor("--journey"))["steps"]
        listeners = [step for step in steps if step["name"] == "listener"]
        assert {step["verdict"] for step in listeners} == {"ok"}, listeners
        assert {step["text"].split()[0] for step in listeners} == {"udp", "tcp", "tls"}
        ends = [x for x in steps if x["name"] == "journey channel BYE"]
        assert [step["verdict"] for step in ends] == ["ok"] * 3
        assert {step["text"].split()[4] for step in ends} == {"udp", "tcp", "tls"}


async def test_a_listener_for_others_is_unknown_until_their_certificate_is_named(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, 'trusted_peers = ["fe.contoso.test"]') as it:
        listeners = await it.listeners("--journey")
        assert listeners["tcp"]["verdict"] == "ok"
        assert listeners["tls"]["verdict"] == "unknown"
        assert "a certificate for fe.contoso.test" in listeners["tls"]["text"]
        assert "--certificate FILE" in listeners["tls"]["fix"]
        steps = (await it.doctor("--journey"))["steps"]
        (unplayed,) = [x for x in steps if x["name"] == "journey"]
        assert unplayed["verdict"] == "unknown" and "over tls" in unplayed["text"]

        named = ("--certificate", str(it.client))
        listeners = await it.listeners(*named)
        assert listeners["tls"]["verdict"] == "ok"

        stranger = Authority(tmp_path, "stranger").issue("fe.contoso.test")
        wrong = ("--certificate", str(stranger.certificate), "--key", str(stranger.key))
        refused = (await it.listeners(*wrong))["tls"]
        assert refused["verdict"] == "failed"
        assert "does not take that certificate" in refused["text"]


async def test_a_service_that_is_stopped_has_failed_with_the_command_that_starts_it(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as it:
        await it.scene.service.stop()
        (service, *others) = (await it.doctor())["steps"]
        assert (service["name"], service["verdict"]) == ("service", "failed")
        start = f"waypost --config {it.scene.config.absolute()} serve"
        assert start in service["fix"]
        silent = [step for step in others if step["name"] == "listener"]
        assert [step["verdict"] for step in silent] == ["failed"] * 3
        assert all("connection refused" in step["text"] for step in silent)
        assert all(start in step["fix"] for step in silent)


async def test_a_file_that_was_edited_since_is_not_what_is_served(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as it:
        text = it.scene.config.read_text()
        it.scene.config.write_text(
            text.replace('domains = ["', 'domains = ["late.contoso.test", "')
        )
        (service, *_) = (await it.doctor())["steps"]
        assert service["verdict"] == "warning"
        assert "has not read the file as it is now" in service["text"]
