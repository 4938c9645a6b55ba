"""A real run, recorded by the shell, replayed into a fresh core: the same commands in
the same order."""

import asyncio
import json
import os
import re
import signal
import stat
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from proxy.journey.journey import Journey
from proxy.journey.legacy_client import LegacyClient
from proxy.lab.front_end import Behaviour, FrontEndServer
from proxy.lab.service import Service, ServiceError, command
from proxy.server.event_log.file import EventLogError, read_lines
from proxy.server.event_log.replay import Replay
from tests.support.ports import free_port
from tests.support.scene import FRONT_END_HOSTS, Scene, waypost_scene
from tests.support.warm import waypost

ALIAS = "sip:ocschat@contoso.test"
HERE = "127.0.0.45"
EXTRA = """
[attempts]
connect = 0.5
first_answer = 0.5
total = 6.0
[health]
probe = 0.4
[registrar]
enabled = true
trusted_networks = ["127.0.0.45/32"]
[server]
drain_seconds = 0.5
"""
MESSAGE = (
    "{method} {uri} SIP/2.0\r\n"
    "Via: SIP/2.0/TCP {here};branch=z9hG4bK{name};rport\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:alice@contoso.test>;tag={name}\r\n"
    "To: <sip:{to}@contoso.test>\r\nCall-ID: {name}\r\nCSeq: 1 {method}\r\n"
    "Contact: <sip:alice@{here};transport=tcp>\r\nContent-Length: 0\r\n\r\n"
)
PATIENCE = 30.0


class Peer:
    """A plain client on one TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._reader, self._writer = reader, writer
        self._here = "{}:{}".format(*writer.get_extra_info("sockname"))

    @classmethod
    async def connect(cls, scene: Scene) -> "Peer":
        return cls(*await asyncio.open_connection(*scene.proxy, local_addr=(HERE, 0)))

    async def ask(self, method: str, uri: str, to: str, name: str) -> bytes:
        """Send a request; the first answer that is no 100."""
        text = MESSAGE.format(method=method, uri=uri, to=to, name=name, here=self._here)
        self._writer.write(text.encode())
        async with asyncio.timeout(PATIENCE):
            while True:
                head = await self._reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"SIP/2.0 ") and not head.startswith(b"SIP/2.0 100"):
                    return head

    def close(self) -> None:
        self._writer.close()


async def logged(scene: Scene, *words: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while not any(
            all(word in line for word in words)
            for line in scene.log.read_text().splitlines()
        ):
            await asyncio.sleep(0.05)


async def play(scene: Scene, transport: str) -> None:
    journey = Journey(LegacyClient(scene.proxy, transport=transport), ALIAS)
    steps = await journey.play()
    assert journey.ok, "\n".join(map(str, steps))


async def run(scene: Scene, config: Path, first: FrontEndServer) -> None:
    """Calls, REGISTERs, a reload, a front end that dies and comes back, a drain."""
    for transport in ("tcp", "udp"):
        await play(scene, transport)
    peer = await Peer.connect(scene)
    answer = await peer.ask("REGISTER", "sip:contoso.test", "alice", "register")
    assert answer.startswith(b"SIP/2.0 200")
    await waypost(
        config,
        *("endpoint", "new", "--sip-address", "sip:more@contoso.test"),
        *("--pool-fqdn", "pcpool.contoso.test"),
    )
    await logged(scene, "table.changed")
    keys = config.with_name("keys")
    keys.write_text("00112233445566778899aabbccddeeff" * 2 + "\n")
    keys.chmod(0o600)
    text = config.read_text().replace("total = 6.0", "total = 7.0")
    config.write_text(text.replace("[proxy]", '[proxy]\nkey_file = "keys"'))
    os.kill(scene.pid, signal.SIGHUP)
    await logged(scene, "config.reloaded")
    await first.stop()
    for _ in range(4):
        await play(scene, "tcp")
    await logged(scene, "frontend.probed", '"state": "ejected"')
    await first.start()
    await logged(scene, "frontend.probed", "answers OPTIONS again")
    await play(scene, "tcp")
    first.behaviour = Behaviour("silent")
    hanging = await Peer.connect(scene)
    call = asyncio.ensure_future(hanging.ask("INVITE", ALIAS, "ocschat", "hanging"))
    await asyncio.sleep(0.1)
    os.kill(scene.pid, signal.SIGTERM)
    await logged(scene, "service.draining")
    answer = await peer.ask("INVITE", ALIAS, "ocschat", "too-late")
    assert answer.startswith(b"SIP/2.0 503")
    await logged(scene, "service.stopped")
    call.cancel()
    peer.close()
    hanging.close()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    asyncio.run(_record(folder))
    return folder / "events"


async def _record(folder: Path) -> None:
    first, second = (
        FrontEndServer(f"fe{n}", host) for n, host in enumerate(FRONT_END_HOSTS, 1)
    )
    async with AsyncExitStack() as stack:
        for front_end in (first, second):
            await front_end.start()
            stack.push_async_callback(front_end.stop)
        scene = await stack.enter_async_context(
            waypost_scene(
                folder,
                [(x.host, x.port) for x in (first, second)],
                extra=EXTRA,
                words=("--event-log", str(folder / "events")),
            )
        )
        await run(scene, folder / "waypost.toml", first)


def replayed(file: Path, *words: str, seed: str = "random") -> tuple[int, str]:
    """Exit code and output of the replay, in a process of its own."""
    found = subprocess.run(
        [sys.executable, "-m", "proxy.server.event_log", str(file), *words],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
    )
    return found.returncode, found.stdout + found.stderr


def test_a_fresh_core_does_the_same_in_the_same_order(recorded: Path) -> None:
    code, said = replayed(recorded, "--show")
    assert code == 0, said[-3000:]
    lines = recorded.read_text().count('"event":')
    found = re.search(
        r"(\d+) turns replayed: the same commands in the same order", said
    )
    assert found is not None and int(found[1]) >= lines > 50
    for event in (
        *("MessageReceived", "FlowOpened", "FlowClosed", "ConnectFailed", "Resolved"),
        *("time", "LocationLoaded", "BindingsSaved", "TableChanged", "ClockRead"),
        *("KeysChanged", "SettingsChanged", "Draining", "EjectionEnded"),
        "(ProbeFailed|EjectionProlonged)",
    ):
        assert re.search(rf"(?m)^\d+ [\d.]+ {event}\b", said), event


def test_a_process_with_other_hashes_starts_anew_with_the_right_ones(
    recorded: Path,
) -> None:
    assert replayed(recorded, seed="1")[0] == 0
    with pytest.raises(EventLogError, match="PYTHONHASHSEED="):
        Replay(read_lines(recorded))


def test_a_command_that_differs_is_found_and_shown(
    recorded: Path, tmp_path: Path
) -> None:
    lines = recorded.read_text().splitlines()
    at = next(n for n, x in enumerate(lines) if '"did":[{"o":"Send"' in x and n > 50)
    step = json.loads(lines[at])["step"]
    lines[at] = lines[at].replace("SIP/2.0", "SIP/3.0", 1)
    changed = tmp_path / "changed"
    changed.write_text("\n".join(lines) + "\n")
    code, said = replayed(changed)
    assert code == 1
    assert f"step {step} differs" in said
    assert "SIP/3.0" in said


def test_it_is_its_owners_alone_and_is_told_of_in_the_log(recorded: Path) -> None:
    assert stat.S_IMODE(recorded.stat().st_mode) == 0o600
    log = (recorded.parent / "serve.log").read_text()
    assert "event_log.started" in log and "it holds keys" in log
    assert "event_log.ended" in log


async def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("mine")
    service = _service(tmp_path, "workers = 1")
    with pytest.raises(ServiceError, match="is there already: name a file that is not"):
        await service.start(("127.0.0.45", 9), timeout=20)
    assert await service.wait() == 3
    assert (tmp_path / "events").read_text() == "mine"


async def test_several_workers_are_not_recorded(tmp_path: Path) -> None:
    service = _service(tmp_path, "workers = 2")
    with pytest.raises(ServiceError, match="write workers = 1"):
        await service.start(("127.0.0.45", 9), timeout=20)
    assert await service.wait() == 3
    assert not (tmp_path / "events").exists()


def _service(folder: Path, server: str) -> Service:
    config = folder / "waypost.toml"
    config.write_text(
        '[proxy]\ndomains = ["contoso.test"]\n[[listen]]\ntransport = "udp"\n'
        f'address = "127.0.0.45:{free_port(HERE)}"\n[server]\n{server}\n'
        f'[store]\nurl = "sqlite:///{folder}/waypost.db"\n[admin]\nlisten = ""\n'
    )
    return Service(config, folder / "log", "--event-log", str(folder / "events"))


def test_the_other_spelling_and_a_file_that_is_missing() -> None:
    found = subprocess.run(
        command("serve", "--event-log"), capture_output=True, text=True
    )
    assert found.returncode == 2
    assert "--event-log" in found.stderr
