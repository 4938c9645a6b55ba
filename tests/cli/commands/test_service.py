"""`waypost status` and `waypost drain` against a running service."""

import json
import signal
import time

import pytest

from tests.support.service import HOST, new_service
from tests.support.told import listener
from tests.support.warm import run_now


@pytest.fixture
def service(tmp_path):
    service = new_service(tmp_path)
    service.start()
    yield service
    service.end()


def waypost(service, *words):
    return run_now("--config", str(service.config), *words)


def test_status_shows_the_service(service):
    done = waypost(service, "status")
    assert done.returncode == 0, done.stderr
    assert "Phase     : ready" in done.stdout
    assert f"udp:{HOST}:{service.port} tcp:{HOST}:{service.port}" in done.stdout
    found = json.loads(waypost(service, "--json", "status").stdout)
    assert (found["phase"], found["endpoints"], found["store"]) == ("ready", 0, "ok")


def test_status_shows_the_keys_that_wait_for_a_restart(service):
    assert (
        json.loads(waypost(service, "--json", "status").stdout)["needs_restart"] == []
    )
    text = service.config.read_text()
    for fresh, keys in (
        (text.replace('"contoso.test"', '"contoso.test", "b.test"'), ["proxy.domains"]),
        (text, []),
    ):
        service.config.write_text(fresh)
        service.signal(signal.SIGHUP)
        end = time.monotonic() + 15
        while time.monotonic() < end:
            if json.loads(service.get("/status")[1])["needs_restart"] == keys:
                break
            time.sleep(0.05)
        said = "Restart for : proxy.domains (changed in the file)"
        assert (said in waypost(service, "status").stdout) == bool(keys)


def test_drain_ends_the_service(service):
    assert waypost(service, "status", "--ready").stdout == "ready\n"
    done = waypost(service, "drain")
    assert (done.returncode, done.stdout) == (0, "draining, 0 transactions to end\n")
    assert service.wait(3) == 0


def test_without_a_service_both_say_what_to_look_at(tmp_path):
    service = new_service(tmp_path)
    for words in (("status",), ("status", "--ready")):
        done = waypost(service, *words)
        assert done.returncode == 1
        assert f"no service answers at {HOST}:{service.admin}" in done.stderr
    done = waypost(service, "drain")
    assert done.returncode == 1
    assert "admin.token cannot be read" in done.stderr


def test_of_a_node_that_is_down_the_others_are_shown(waypost, monkeypatch):
    status = {
        **{"phase": "ready", "version": "1", "up_seconds": 7200.0, "table_version": 5},
        **{"open_transactions": 0, "other_nodes": ["sip:127.0.0.5:5060"]},
    }
    silent = "127.0.0.1:9"
    monkeypatch.setenv("WAYPOST_ADMIN_LISTEN", silent)
    monkeypatch.setenv("WAYPOST_ADMIN_TOKEN", "0123456789abcdef")
    with listener(status) as port:
        other = f"127.0.0.1:{port}"
        monkeypatch.setenv("WAYPOST_ADMIN_NODES", f"{silent}, {other}")
        assert waypost("status") == 1
        assert f"{other}: ready, up 2 h, table 5" in waypost.out
        assert f"{silent}: no service answers at {silent}" in waypost.out
        said = f"only the other nodes are shown: no service answers at {silent}"
        assert waypost.err.startswith(f"waypost: {said}")
        assert waypost("status", "--json") == 1
        rows = {row["node"]: row["answers"] for row in waypost.json["nodes"]}
        assert rows == {silent: False, other: True}
        assert waypost("status", "--ready") == 1 and waypost.out == ""
    assert waypost("status") == 1 and waypost.out == ""
    assert f"answers at {silent}" in waypost.err and other in waypost.err
