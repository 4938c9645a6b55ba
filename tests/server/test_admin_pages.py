"""The pages of the admin listener, asked without a socket."""

import json
import socket
from dataclasses import replace

import pytest

from proxy.admin.listener.http import Reply
from proxy.net.errors import NetError
from proxy.server.admin_pages import (
    _own_names,
    open_admin,
    open_pages,
    pages,
    starting_pages,
    status,
)
from proxy.server.drain import Drain
from proxy.server.host.notify import Notifier
from proxy.server.state import ServiceState
from proxy.telemetry.tally import AccessTally
from tests.config.loading import load
from tests.support.proxy import running_proxy


def ready(state: ServiceState, down=(), store: str = "ok") -> tuple[int, str]:
    found = open_pages(state, lambda: dict.fromkeys(down, "why"), lambda: store)
    reply = found["/ready"].handler()
    assert isinstance(reply, Reply) and found["/ready"].is_open
    return reply.status, reply.body.decode().rstrip("\n")


@pytest.mark.parametrize(
    ("phase", "down", "store", "expected"),
    [
        ("ready", (), "ok", (200, "ready")),
        ("starting", (), "ok", (503, "starting")),
        ("draining", (), "ok", (503, "draining")),
        # A task without which we may route by old data counts, another one does not.
        ("ready", ("follow-store",), "ok", (503, "ready; down: follow-store")),
        ("ready", ("sweep-bindings",), "ok", (200, "ready; down: sweep-bindings")),
        # Calls go on without the store; its reason may name internals.
        ("ready", (), "is full: /secret/path", (200, "ready; store: is full")),
    ],
)
def test_ready_is_whether_new_requests_are_welcome(phase, down, store, expected):
    state = ServiceState()
    state.phase = phase
    assert ready(state, down, store) == expected


def test_what_a_start_waits_for_is_told_and_the_process_is_healthy() -> None:
    state = ServiceState()
    state.waits_for = "the store"
    assert ready(state) == (503, "starting\nwaiting: the store")
    health = open_pages(state, dict)["/health"].handler()
    assert isinstance(health, Reply) and health.status == 200


async def test_the_status_before_the_start_has_every_key_of_the_one_after(tmp_path):
    state = ServiceState()
    found = starting_pages(load(tmp_path, ""), state)
    assert set(found) == {"/health", "/ready", "/status"}
    reply = found["/status"].handler()
    assert isinstance(reply, Reply)
    async with running_proxy() as proxy:
        after = status(proxy.runtime, state)
    before = json.loads(reply.body)
    assert before.keys() - {"waits_for"} == after.keys()
    assert after["listeners"][0] == {
        **{"transport": "udp", "address": proxy.address[0]},
        "port": proxy.address[1],
    }


async def test_pages_that_tell_who_called_whom_want_the_token_everywhere() -> None:
    async with running_proxy() as proxy:
        proxy.runtime.access.tally = AccessTally()
        state = ServiceState()
        found = pages(proxy.runtime, state, Drain(state, 1.0, Notifier()))
    private = {path for path, page in found.items() if page.is_private}
    assert private == {"/calls", "/trace", "/trace/live"}
    changes = {path for path, page in found.items() if page.method == "POST"}
    assert changes == {"/drain", "/trace/live"}
    assert {path for path, page in found.items() if page.is_open} == {
        *("/health", "/ready")
    }


def test_a_request_may_call_us_by_our_own_names_alone(tmp_path) -> None:
    more = '[admin]\nhosts = ["console.example"]\n'
    names = _own_names(load(tmp_path, more))
    assert {"localhost", "contoso.test", "console.example"} <= names
    assert "evil.test" not in names


async def test_a_default_address_that_is_taken_is_done_without_a_chosen_one_not(
    tmp_path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        store = f'[store]\nurl = "sqlite:///{tmp_path}/waypost.db"\n'
        config = load(tmp_path, f'{store}[admin]\nlisten = "127.0.0.1:{port}"\n')
        with pytest.raises(NetError):
            await open_admin(config, {})
        default = replace(config, admin=replace(config.admin, is_chosen=False))
        assert await open_admin(default, {}) is None
    opened = await open_admin(config, {})
    assert opened is not None
    await opened.close()
    assert await open_admin(load(tmp_path, '[admin]\nlisten = ""\n'), {}) is None
