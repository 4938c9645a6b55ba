"""New certificate files under open connections; a service that refuses bad ones."""

import asyncio
import gc
import os
import shutil
import ssl
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from proxy.net.errors import NetError
from proxy.net.network import ListenOptions, Network
from proxy.net.tls import TlsFiles, client_end, server_end
from proxy.server.certificates import Certificates
from tests.support.certificates import Authority
from tests.support.loops import event_loop_policy  # noqa: F401 - a fixture
from tests.support.recorder import Recorder
from tests.wire.conftest import OpenNetwork
from tests.wire.test_stream import sip

NAME = "proxy.contoso.test"
RELOADS = int(os.environ.get("WAYPOST_RELOADS", "50"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("reload"))


class Installed:
    """The files as an administrator has them, and how they are replaced."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.authority = authority
        self.files = TlsFiles(
            str(folder / "proxy.pem"), str(folder / "proxy.key"), authority.ca
        )
        self.install(authority.issue(NAME))

    def install(self, new: TlsFiles, *, with_key: bool = True) -> None:
        """Rename new files over the old ones, as most tools do."""
        for source, place in ((new.certificate, self.files.certificate),) + (
            ((new.key, self.files.key),) if with_key else ()
        ):
            assert source and place
            shutil.copy(source, place + ".new")
            os.replace(place + ".new", place)


@pytest.fixture
def installed(tmp_path: Path, authority: Authority) -> Installed:
    return Installed(tmp_path, authority)


@pytest.fixture
async def watched(
    open_network: OpenNetwork, installed: Installed
) -> tuple[Network, Certificates]:
    """A TLS listener, a connector, and the certificates of both."""
    server, client = server_end(installed.files), client_end(installed.files)
    network = await open_network(
        "tls", options={0: ListenOptions(tls=server)}, client_tls=client
    )
    certificates = Certificates([server, client], NAME)
    certificates.check()
    return network, certificates


def look_twice(certificates: Certificates) -> None:
    certificates.look()
    certificates.look()


async def connect(network: Network, authority: Authority):
    """A connection of a peer that verifies us; also the certificate it saw."""
    listener = network.flows.listeners[0]
    reader, writer = await asyncio.open_connection(
        listener.host,
        listener.port,
        ssl=ssl.create_default_context(cafile=authority.ca),
        server_hostname=NAME,
    )
    return reader, writer, writer.get_extra_info("ssl_object").getpeercert(True)


async def test_new_connections_get_the_new_certificate_and_old_ones_stay(
    watched, installed: Installed, recorder: Recorder
) -> None:
    network, certificates = watched
    _, old, first = await connect(network, installed.authority)
    installed.install(installed.authority.issue(NAME))
    with capture_logs() as logs:
        look_twice(certificates)
    assert [each["event"] for each in logs] == ["certificate.reloaded"]
    _, new, second = await connect(network, installed.authority)
    assert first != second
    for writer in (old, new):
        writer.write(sip())
    await recorder.wait("message", 2)
    old.close()
    new.close()


async def test_a_certificate_whose_key_is_still_to_come_is_waited_for(
    watched, installed: Installed
) -> None:
    _, certificates = watched
    new = installed.authority.issue(NAME)
    installed.install(new, with_key=False)
    certificates.look()
    installed.install(new)
    look_twice(certificates)
    assert (certificates.reloads, certificates.failures) == (1, 0)


@pytest.mark.parametrize("fault", ["name", "expired", "key", "gone", "garbage"])
async def test_files_that_are_no_good_leave_the_old_certificate(
    watched, installed: Installed, fault: str
) -> None:
    network, certificates = watched
    _, writer, first = await connect(network, installed.authority)
    writer.close()
    issue = installed.authority.issue
    match fault:
        case "name":
            installed.install(issue("other.test"))
        case "expired":
            installed.install(issue(NAME, valid_for=timedelta(days=-1)))
        case "key":
            installed.install(issue(NAME), with_key=False)
        case "gone":
            os.unlink(installed.files.key or "")
        case "garbage":
            Path(installed.files.certificate or "").write_text("not PEM")
    with capture_logs() as logs:
        look_twice(certificates)
        look_twice(certificates)  # said once
    assert [each["event"] for each in logs] == ["certificate.rejected"]
    assert "proxy." in logs[0]["reason"]
    assert certificates.failures == 1
    _, writer, second = await connect(network, installed.authority)
    writer.close()
    assert first == second
    installed.install(issue(NAME))
    look_twice(certificates)
    assert certificates.reloads == 1


def resident() -> int:
    """This process's memory, bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_many_reloads_under_load_fail_no_handshake_and_keep_memory_flat(
    watched, installed: Installed, recorder: Recorder
) -> None:
    network, certificates = watched
    pairs = [installed.authority.issue(NAME) for _ in range(4)]
    is_over = asyncio.Event()
    connected = 0

    async def load() -> None:
        nonlocal connected
        while not is_over.is_set():
            _, writer, _ = await connect(network, installed.authority)
            writer.write(sip())
            writer.close()
            with suppress(ConnectionError):  # its end crossed the last message
                await writer.wait_closed()
            recorder.calls.clear()  # it would keep every connection alive
            connected += 1

    settled = 0
    async with asyncio.TaskGroup() as group:
        group.create_task(load())
        group.create_task(load())
        for number in range(RELOADS):
            installed.install(pairs[number % 4])
            look_twice(certificates)
            await asyncio.sleep(0.01)
            if number == RELOADS // 2:
                gc.collect()
                settled = resident()
        is_over.set()
    gc.collect()
    assert (certificates.reloads, certificates.failures) == (RELOADS, 0)
    assert network.acceptors[0].handshakes_failed == 0
    assert connected > RELOADS / 2
    assert resident() - settled < 8 * 1024 * 1024


def test_what_is_in_force_at_the_start_is_judged_too(authority: Authority) -> None:
    end = server_end(authority.issue("other.test"))
    with pytest.raises(NetError, match="not valid for"):
        Certificates([end], NAME).check()
