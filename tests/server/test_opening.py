"""What a start that fails has opened is closed as a stop would close it."""

import asyncio
import contextlib
import io
import os
import socket
from types import SimpleNamespace

import pytest

from proxy.config import load_config
from proxy.net.errors import NetError
from proxy.server import opening
from proxy.server.opening import Setting, start_service
from proxy.server.state import ServiceState
from proxy.server.workers.sockets import open_sockets
from proxy.sip.flow import Listener
from proxy.store.errors import StoreError
from proxy.store.factory import open_store
from tests.support.messages import read, request
from tests.support.ports import free_port


def config_in(folder, port):
    path = folder / "waypost.toml"
    path.write_text(f"""
[proxy]
domains = ["contoso.test"]
[[listen]]
transport = "tcp"
address = "127.0.0.1:{port}"
[store]
url = "sqlite:///{folder}/waypost.db"
""")
    return load_config(path, {})


async def test_a_start_that_fails_at_its_last_step_saves_what_it_has_counted(tmp_path):
    """An admin listener that cannot be had, after the proxy has served for a moment."""
    port = free_port()
    config = config_in(tmp_path, port)
    record = SimpleNamespace(
        rule="endpoint",
        request=read(request()),
        source=SimpleNamespace(transport="udp", host="10.1.0.9"),
        status=200,
        seconds=0.1,
        pool="",
        endpoint="ocschat@contoso.test",
    )

    async def admin_fails(runtime):
        runtime.access.ledger.count_all([(record, 1_700_000_000.0)])
        raise NetError("admin: the address is in use")

    with pytest.raises(NetError):
        setting = Setting(config, io.StringIO(), ServiceState())
        await start_service(setting, admin_fails)
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))  # the listener is closed
    store = await open_store(config.store_url)
    try:
        (row,) = await store.usage()
        assert (row.endpoint_key, row.count) == ("ocschat@contoso.test", 1)
    finally:
        await store.close()


async def test_all_is_closed_even_when_closing_one_of_it_fails(tmp_path):
    config = config_in(tmp_path, free_port())
    started = await start_service(Setting(config, io.StringIO(), ServiceState()))
    close = started.runtime.close

    async def breaks():
        await close()
        raise OSError("while closing")

    started.opened.push_async_callback(breaks)
    with pytest.raises(OSError, match="while closing"):
        await started.opened.aclose()
    assert started.store._is_closed


# -- every step of the start fails once ------------------------------------------------


class FailingStore:
    """A real store whose ``fails_at``-th call, counted from 1, finds it away."""

    def __init__(self, store, fails_at):
        self._store = store
        self._fails_at = fails_at
        self.calls = []
        self.is_closed = False

    def __getattr__(self, name):
        real = getattr(self._store, name)

        async def counted(*arguments, **more):
            if name == "close":
                self.is_closed = True
                return await real()
            self.calls.append(name)
            if len(self.calls) == self._fails_at:
                raise StoreError("the store has lost its mind")
            return await real(*arguments, **more)

        return counted


def descriptors() -> set[str]:
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
    return found


async def nothing_is_left(before, store_url) -> None:
    """No descriptor, no task, and the other nodes have heard that we are gone, unless
    there is no ``store_url`` to look."""
    for _ in range(100):  # the thread of a store that is closed takes its time to end
        if descriptors() <= before:
            break
        await asyncio.sleep(0.01)
    assert descriptors() <= before
    assert asyncio.all_tasks() == {asyncio.current_task()}
    if not store_url:
        return
    store = await open_store(store_url)
    try:
        assert [row.seen_at for row in await store.nodes()] in ([], [0.0])
    finally:
        await store.close()


def node_config(folder, port, more=""):
    """A node with a registrar, UDP and TCP; everything that a start can open."""
    config = config_in(folder, port)
    text = config.path.read_text()
    config.path.write_text(
        text.replace(
            "[store]",
            f"""
[[listen]]
transport = "udp"
address = "127.0.0.1:{port}"
[registrar]
enabled = true
[server]
node_address = "sip:127.0.0.1:{port};transport=tcp"
[store]""",
        )
        + more
    )
    return load_config(config.path, {})


async def test_whatever_the_store_refuses_during_a_start_leaves_nothing_open(
    tmp_path, monkeypatch
):
    config = node_config(tmp_path, free_port())
    passed = [socket.socket()]
    passed[0].bind(("127.0.0.1", config.listen[0].port))
    passed[0].listen()
    number, failed, failing = 0, set(), None
    while failing is None or len(failing.calls) >= number:
        number += 1

        async def opened(url, number=number):
            nonlocal failing
            failing = FailingStore(await open_store(url), number)
            return failing

        monkeypatch.setattr(opening, "open_store", opened)
        before = descriptors()
        setting = Setting(config, io.StringIO(), ServiceState(), None, passed)
        try:
            started = await start_service(setting)
        except StoreError:
            failed.add(failing.calls[number - 1])
        else:
            await started.opened.aclose()
        assert failing.is_closed
        took_goodbye = number != len(failing.calls)  # which is the last call
        await nothing_is_left(before, config.store_url if took_goodbye else "")
    assert {"announce_node", "news", "hmac_key", "load_table", "users"} <= failed
    passed[0].close()


@pytest.mark.parametrize(
    "step",
    [
        *("join", "_new_runtime", "Resolver", "Runtime", "start_registrar"),
        *("begin_recording", "_follow_others", "_run_beside", "then"),
    ],
)
async def test_whatever_else_fails_during_a_start_leaves_nothing_open(
    tmp_path, monkeypatch, step
):
    config = node_config(tmp_path, free_port())
    before = descriptors()

    def fails(*_, **__):
        raise NetError(step)

    if step != "then":
        monkeypatch.setattr(opening, step, fails)
    with pytest.raises(NetError, match=step):
        await start_service(Setting(config, io.StringIO(), ServiceState()), fails)
    await nothing_is_left(before, config.store_url)


async def test_a_listener_that_cannot_be_had_takes_the_others_along(tmp_path):
    port = free_port()
    config = node_config(tmp_path, port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port))
        before = descriptors()
        with pytest.raises(NetError, match="in use"):
            await start_service(Setting(config, io.StringIO(), ServiceState()))
        await nothing_is_left(before, config.store_url)


def test_workers_sockets_are_opened_all_or_none(tmp_path):
    port = free_port()
    listeners = [
        Listener("tcp", "127.0.0.1", port),
        Listener("udp", "127.0.0.1", port, index=1),
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port))
        before = descriptors()
        passed = socket.socket()
        passed.bind(("127.0.0.1", port))
        passed.listen()
        with pytest.raises(NetError, match="in use"):
            open_sockets(listeners, [passed], 3)
        assert descriptors() <= before
