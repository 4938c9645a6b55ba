"""Who keeps the promise to roll back: asked of whatever answers as the service."""

import pytest

from proxy.admin.control import ControlError
from proxy.admin.in_force import rollback_keeper
from proxy.config import load_config
from proxy.endpoints.model import Guard
from tests.support.told import listener

GUARD = Guard(5.0)
HERE = "sqlite:////var/lib/waypost/here.db"
GOOD = {"phase": "ready", "store": "ok", "store_url": HERE, "down": {}}


@pytest.fixture
def service():
    """Says of itself what the test wants."""
    told = dict(GOOD)

    with listener(told) as port:
        yield told, port


def config_of(tmp_path, port):
    path = tmp_path / "waypost.toml"
    path.write_text(
        f'[proxy]\ndomains = ["contoso.test"]\n'
        f'[[listen]]\ntransport = "tcp"\naddress = "127.0.0.5:5060"\n'
        f'[store]\nurl = "{HERE}"\n[admin]\nlisten = "127.0.0.1:{port}"\n'
    )
    return load_config(path)


@pytest.mark.parametrize("guard", [Guard(5.0), None])
def test_a_ready_service_of_this_store_keeps_it(tmp_path, service, guard):
    keeper = rollback_keeper(config_of(tmp_path, service[1]), guard)
    assert (keeper.problem, keeper.note, keeper.is_there) == ("", "", True)
    keeper.refuse_unless(force=False)


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        ({"store_url": "sqlite:////elsewhere.db"}, "serves sqlite:////elsewhere.db"),
        ({"store_url": None}, "serves an unknown store"),
        ({"phase": "draining"}, "is draining"),
        ({"phase": "starting", "waits_for": "the store"}, "has not started: the store"),
        ({"phase": None}, "is None"),
        ({"store_writable": False, "store": "is full"}, "its store is full"),
        ({"down": {"watch-cutover": "KeyError"}}, "watch-cutover (KeyError)"),
        ({"down": {"watch-guard": "KeyError"}}, "watch-guard (KeyError)"),
    ],
)
def test_one_that_would_not_roll_back_says_why(tmp_path, service, about, reason):
    told, port = service
    told.update(about)
    keeper = rollback_keeper(config_of(tmp_path, port), GUARD)
    assert reason in keeper.problem and keeper.is_there is False
    with pytest.raises(ControlError, match="--force goes on without"):
        keeper.refuse_unless(force=False)
    keeper.refuse_unless(force=True)


def test_the_deadline_alone_needs_no_judge_of_a_guard(tmp_path, service):
    told, port = service
    told["down"] = {"watch-guard": "KeyError", "nodes": "KeyError"}
    assert rollback_keeper(config_of(tmp_path, port)).is_there is True


def test_where_no_service_answers_a_command_keeps_the_deadline_and_no_guard(tmp_path):
    config = config_of(tmp_path, 9)  # the port of "discard": nobody listens
    deadline = rollback_keeper(config)
    assert deadline.is_there is None and "the next command does" in deadline.note
    deadline.refuse_unless(force=False)
    guard = rollback_keeper(config, GUARD)
    assert guard.is_there is None
    assert "no command judges a guard, and no service answers at" in guard.problem
    with pytest.raises(ControlError, match="--force goes on without"):
        guard.refuse_unless(force=False)
