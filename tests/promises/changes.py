"""R7: table changes, reloads and new certificates under load."""

import asyncio
import os
import signal
from pathlib import Path

from proxy.lab.service import waypost
from proxy.lab.setting import DOMAIN, POOL
from tests.promises.model import Outcome, Room
from tests.promises.scene import PoolScene, pool_scene
from tests.sipp.runner import Sipp
from tests.support.certificates import Authority
from tests.support.ports import free_port

RATE = 200
CHANGES, RELOADS, CERTIFICATES = 100, 20, 20


def reload_under_load(room: Room) -> Outcome:
    """R7: sipp calls while everything that can be changed is changed."""
    return asyncio.run(_run(room))


async def _run(room: Room) -> Outcome:
    seconds = 60 if room.is_long else 25
    authority = Authority(room.directory)
    certificate, key = room.directory / "own.pem", room.directory / "own.key"
    _renew(authority, certificate, key)
    port = free_port("127.0.0.18")
    extra = (
        f'[[listen]]\ntransport = "tls"\naddress = "127.0.0.18:{port}"\n'
        f'[tls]\ncertificate = "{certificate}"\nkey = "{key}"\nca = "{authority.ca}"\n'
    )
    front_end = Sipp(room.directory, "uas_failover", "127.0.92.1", name="fe")
    await front_end.start()
    try:
        address = (front_end.host, front_end.port)
        async with pool_scene(
            room.directory / "scene", [address], "udp", extra
        ) as scene:
            caller = Sipp(
                *(room.directory, "uac_failover", "127.0.0.42"),
                remote=scene.proxy,
                calls=RATE * seconds,
                rate=RATE,
            )
            await caller.start()
            async with asyncio.timeout(20 * seconds), asyncio.TaskGroup() as group:
                changed = group.create_task(_change(scene, seconds))
                group.create_task(_reload(scene, seconds))
                group.create_task(_certificates(authority, certificate, key, seconds))
            outcome = await caller.wait(seconds + 60)
            reloads = scene.service.log.read_text().count('"config.reloaded"')
    finally:
        await front_end.stop()
    return Outcome(
        (outcome.successful, outcome.failed, outcome.retransmissions)
        == (RATE * seconds, 0, 0)
        and reloads == RELOADS,
        f"{outcome.failed} of {RATE * seconds} calls failed, {outcome.retransmissions}"
        f" requests repeated, during {changed.result()} table changes, {reloads}"
        f" reloads and {CERTIFICATES} certificates",
    )


async def _change(scene: PoolScene, seconds: float) -> int:
    """Endpoints come and go, a few in each run of the command."""
    done, batch = 0, 10
    while done < CHANGES:
        names = [f"sip:room{n}@{DOMAIN}" for n in range(batch)]
        for name in names[: batch // 2]:
            words = ("endpoint", "new", "--sip-address", name, "--pool-fqdn", POOL)
            await waypost(scene.config, *words)
            await waypost(scene.config, "endpoint", "remove", name)
            done += 2
        await asyncio.sleep(seconds / 200)
    return done


async def _reload(scene: PoolScene, seconds: float) -> None:
    for _ in range(RELOADS):
        await asyncio.sleep(0.9 * seconds / RELOADS)
        os.kill(scene.service.pid, signal.SIGHUP)


async def _certificates(
    authority: Authority, certificate: Path, key: Path, seconds: float
) -> None:
    for _ in range(CERTIFICATES):
        await asyncio.sleep(0.9 * seconds / CERTIFICATES)
        _renew(authority, certificate, key)


def _renew(authority: Authority, certificate: Path, key: Path) -> None:
    """New files in the place of the old ones, each by a rename."""
    files = authority.issue("proxy.contoso.test")
    assert files.certificate and files.key
    os.replace(files.key, key)
    os.replace(files.certificate, certificate)
