"""Alerts for operators, raised by the real service in a real Prometheus.

The rules are those that we ship, with shorter times: nobody waits four hours here.
"""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from proxy.journey.legacy_client import ClientError, LegacyClient
from proxy.lab.front_end import Behaviour, FrontEndServer
from proxy.lab.service import waypost
from proxy.lab.setting import free_address
from tests.support.certificates import Authority
from tests.support.small_disk import fill, make_room, needs_root, small_disk
from tests.support.two_pools import NEW, OLD, TwoPools, two_pools

ROOT = Path(__file__).parents[2]
ALIAS = "sip:ocschat@contoso.test"
HOST = "127.0.0.35"
PLAN = f"""
name = "weekend"
[[change]]
sip_address = "{ALIAS}"
pool_fqdn = "{NEW}"
expect_pool = "{OLD}"
"""
SCRAPE = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: waypost
    static_configs: [{{targets: ["{target}"]}}]
"""
TLS = """
[[listen]]
transport = "tls"
address = "{host}:{port}"
certificate = "{certificate}"
key = "{key}"
"""
pytestmark = [
    needs_root,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="no prometheus"),
]


def quick(rules: str) -> str:
    """The rules with shorter times; their names and what they look at stay."""
    rules = re.sub(r"^(\s+)for: .*$", r"\1for: 0s", rules, flags=re.MULTILINE)
    for name in ("store_unwritable_seconds > 30", "cutover_overdue_seconds > 10"):
        assert name in rules
        rules = rules.replace(name, f"{name.partition('>')[0]}> 0")
    return rules


@contextlib.asynccontextmanager
async def prometheus(directory: Path, target: str) -> AsyncIterator[str]:
    """Scrapes the service; its own address."""
    rules = (ROOT / "config/prometheus/alerts.yml").read_text()
    (directory / "rules.yml").write_text(quick(rules))
    config = directory / "prometheus.yml"
    config.write_text(SCRAPE.format(target=target))
    host, port = free_address(HOST, 0)
    child = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address={host}:{port}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield f"{host}:{port}"
    finally:
        child.terminate()
        await child.wait()


class Alerts:
    def __init__(self, address: str) -> None:
        self._url = f"http://{address}/api/v1/alerts"

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            with urllib.request.urlopen(self._url, timeout=5) as answer:
                found = json.load(answer)["data"]["alerts"]
        except OSError:  # it starts
            return {}
        firing = [x for x in found if x["state"] == "firing"]
        return {x["labels"]["alertname"]: x["annotations"] for x in firing}

    async def raised(self, *names: str) -> None:
        """Return when all of them fire, each with something to do."""
        found: dict[str, dict[str, str]] = {}
        try:
            async with asyncio.timeout(120):
                while not set(names) <= set(found):
                    await asyncio.sleep(0.2)
                    found |= await asyncio.to_thread(self._read)
        except TimeoutError:
            raise AssertionError(f"{set(names) - set(found)} of {set(found)}") from None
        assert all(found[name]["action"] for name in names)

    async def gone(self, name: str) -> None:
        async with asyncio.timeout(120):
            while name in await asyncio.to_thread(self._read):
                await asyncio.sleep(0.2)


async def call(scene: TwoPools, number: int) -> None:
    client = LegacyClient(scene.proxy, user=f"sip:u{number}@contoso.test")
    with contextlib.suppress(ClientError, OSError, TimeoutError):
        await client.connect()
        await client.call(ALIAS)
    await client.close()


@pytest.fixture
def disk() -> Iterator[Path]:
    # Outside of tmp_path: pytest looks through that, and this is gone by then.
    with (
        tempfile.TemporaryDirectory() as outside,
        small_disk(Path(outside) / "disk", 8_000) as directory,
    ):
        yield directory


async def test_each_alert_is_raised_and_says_what_to_do(
    tmp_path: Path, disk: Path
) -> None:
    authority = Authority(tmp_path)
    files = authority.issue("proxy.contoso.test", valid_for=timedelta(days=1))
    port = free_address(HOST, 0)[1]
    words = {"certificate": files.certificate, "key": files.key}
    admin = "{}:{}".format(*free_address(HOST, 0))
    extra = TLS.format(host=HOST, port=port, **words)
    extra += f'\n[admin]\nlisten = "{admin}"\n'
    old, new = FrontEndServer("old", "127.0.0.28"), FrontEndServer("new", "127.0.0.29")
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)
    async with contextlib.AsyncExitStack() as stack:
        for each in (old, new):
            await each.start()
            stack.push_async_callback(each.stop)
        new.behaviour = Behaviour("answer", 500)
        opened = two_pools(disk, (old.host, old.port), (new.host, new.port), extra)
        scene = await stack.enter_async_context(opened)

        async def type_(*words: str) -> None:
            await waypost(scene.config, *words)

        await type_("endpoint", "new", "--sip-address", ALIAS, "--pool-fqdn", OLD)
        alerts = Alerts(await stack.enter_async_context(prometheus(tmp_path, admin)))
        await type_("pool", "drain", f"fe.{NEW}", "--reason", "a look", "--force")
        with scene.config.open("a") as file:
            file.write("\n[limits]\nconnections = 4000\n")
        os.kill(scene.service.pid, signal.SIGHUP)
        apply = ("cutover", "apply", str(plan))
        await type_(*apply, "--confirm-within", "9")
        await alerts.raised(
            *("WaypostFrontEndDrained", "WaypostRestartPending"),
            *("WaypostCertificateEnds", "WaypostCutoverPending"),
        )
        await type_("cutover", "rollback")
        await alerts.gone("WaypostCutoverPending")

        await type_(*apply, "--guard", "5 %", "--min", "1")
        await scene.follows()
        await call(scene, 1)
        await call(scene, 2)
        await alerts.raised("WaypostGuardRolledBack", "WaypostCutoverRolledBack")

        await type_(*apply, "--confirm-within", "0.25")
        fill(disk)
        try:
            await alerts.raised(
                "WaypostStoreCannotBeWritten", "WaypostCutoverNotRolledBack"
            )
        finally:
            make_room(disk)
        await alerts.raised("WaypostCutoverRolledBack")

        Path(files.certificate).write_text("no certificate")
        await all_goes_down(scene, old, alerts)
        text = scene.service.log.read_text()
    for name in ("endpoint.changed", "cutover.applied", "pool.drained"):
        assert f'"event": "{name}"' in text or f'"{name}"' in text


async def all_goes_down(scene: TwoPools, old: FrontEndServer, alerts: Alerts) -> None:
    """The only front end of the pool, then the proxy."""
    await old.stop()
    await scene.follows()
    for number in range(3, 9):  # three eject it, and the others come all the same
        await call(scene, number)
    await alerts.raised(
        *("WaypostPoolInPanic", "WaypostPoolWithoutFrontEnds"),
        *("WaypostFrontEndEjected", "WaypostRequestsFail"),
        "WaypostCertificateRejected",
    )
    await scene.service.stop()
    await alerts.raised("WaypostDown")


async def test_the_page_of_status_is_documented_key_by_key(tmp_path: Path) -> None:
    old, new = ("127.0.0.28", 5060), ("127.0.0.29", 5060)
    page = (ROOT / "docs/observability.md").read_text()
    table = page.partition("## /status as JSON")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line[:3] == "| `"]
    listed = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    async with two_pools(tmp_path, old, new) as scene:
        found = await waypost(scene.config, "status")
    assert found["status_version"] == 1
    only_then = {"waits_for", "workers", "workers_wanted", "worker_restarts"}
    assert listed - only_then == set(found)
