"""How a command calls the running service, and what it says when that fails."""

import socket
from contextlib import closing
from pathlib import Path

import pytest

from proxy.admin.listener.client import AdminError, call, call_json, phase
from proxy.config.values import HostPort
from tests.config.loading import load
from tests.support.admin_answers import answering


def config(folder: Path, port: int, more: str = 'token = "0123456789abcdef"'):
    store = f'[store]\nurl = "sqlite:///{folder}/waypost.db"\n'
    return load(folder, f'{store}[admin]\nlisten = "127.0.0.1:{port}"\n{more}\n')


def test_it_shows_the_token_and_reads_json(tmp_path: Path) -> None:
    with answering(200, b'{"a": 1}') as service:
        assert call_json(config(tmp_path, service.port), "GET", "/status?x=1") == {
            "a": 1
        }
    (asked,) = service.asked
    assert asked.startswith(b"GET /status?x=1 ")
    assert b"Authorization: Bearer 0123456789abcdef" in asked


def test_without_a_token_it_may_still_read_but_not_change(tmp_path: Path) -> None:
    with answering(200, b"{}") as service:
        here = config(tmp_path, service.port, "")
        assert call(here, "GET", "/status")[0] == 200
        with pytest.raises(AdminError):
            call(here, "POST", "/drain")
    assert len(service.asked) == 1 and b"Authorization" not in service.asked[0]


@pytest.mark.parametrize(("status", "refusal"), [(400, "why not"), (503, "")])
def test_a_refusal_is_told_with_the_page_and_a_question_with_its_own_words(
    tmp_path: Path, status: int, refusal: str
) -> None:
    with (
        answering(status, b"why not\n") as service,
        pytest.raises(AdminError) as caught,
    ):
        call_json(config(tmp_path, service.port), "GET", "/calls?secret=x")
    assert str(caught.value) == f"the service answered {status} to /calls: why not"
    assert caught.value.refusal == refusal


def test_where_nobody_answers_the_configuration_is_named(tmp_path: Path) -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        here = config(tmp_path, port)
        with pytest.raises(AdminError, match="is it running, and with"):
            call(here, "GET", "/ready")
        with pytest.raises(AdminError) as caught:
            call(here, "GET", "/ready", HostPort("127.0.0.1", port))
    assert "waypost.toml" not in str(caught.value)  # another node has its own


def test_a_service_without_a_listener_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(AdminError, match="write listen ="):
        call(load(tmp_path, '[admin]\nlisten = ""\n'), "GET", "/ready")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"ready; store: is full\nmore\n", "ready"),
        (503, b"draining\n", "draining"),
        (503, b"starting\nwaiting: the store\n", "starting"),
        (503, b"ready; down: follow-store\n", "ready; down: follow-store"),
    ],
)
def test_the_phase_is_one_word_while_it_is_ready(tmp_path, status, body, said) -> None:
    with answering(status, body) as service:
        assert phase(config(tmp_path, service.port)) == said
