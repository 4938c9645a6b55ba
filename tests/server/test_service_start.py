"""What a start that fails has opened is closed as a stop would close it."""

import io
import socket
from types import SimpleNamespace

import pytest

from proxy.config import load_config
from proxy.net.errors import NetError
from proxy.server.opening import Setting, start_service
from proxy.server.state import ServiceState
from proxy.store.factory import open_store
from tests.support.messages import read, request


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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_a_start_that_fails_at_its_last_step_saves_what_it_has_counted(tmp_path):
    """An admin listener that cannot be had, after the proxy has served for a moment."""
    port = free_port()
    config = config_in(tmp_path, port)
    record = SimpleNamespace(
        rule="endpoint",
        request=read(request()),
        source=SimpleNamespace(transport="udp", host="10.1.0.9"),
        status=200,
        endpoint="ocschat@contoso.test",
    )

    async def admin_fails(runtime):
        runtime.access.ledger.count(record, 1_700_000_000.0)
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
