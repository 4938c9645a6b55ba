"""Where the admin token comes from."""

import pytest

from proxy.admin.listener.token import TokenError, make_token, read_token
from proxy.config import load_config
from tests.support.configuration import SMALL

STORE = '[store]\nurl = "sqlite:///waypost.db"\n'


@pytest.fixture
def load(tmp_path):
    def load(more="", environ=None):
        path = tmp_path / "waypost.toml"
        path.write_text(SMALL + STORE + more)
        return load_config(path, environ or {})

    return load


def test_a_missing_file_is_made_for_its_owner_alone(load, tmp_path):
    token = make_token(load())
    file = tmp_path / "admin.token"
    assert file.read_text() == token + "\n" and len(token) >= 40
    assert file.stat().st_mode & 0o777 == 0o600
    assert read_token(load()) == token


def test_a_second_service_on_the_same_store_takes_the_same_token(load):
    assert make_token(load()) == make_token(load())


def test_the_configuration_and_the_environment_come_first(load, tmp_path):
    assert (
        make_token(load('[admin]\ntoken = "0123456789abcdef"\n')) == "0123456789abcdef"
    )
    config = load(environ={"WAYPOST_ADMIN_TOKEN": "fedcba9876543210"})
    assert make_token(config) == read_token(config) == "fedcba9876543210"
    assert not (tmp_path / "admin.token").exists()


def test_a_reader_without_a_file_is_told_whom_to_be(load):
    with pytest.raises(TokenError, match="run this as the service's user"):
        read_token(load())


def test_a_folder_that_cannot_be_written_is_named(load, tmp_path):
    config = load('[admin]\ntoken_file = "missing/token"\n')
    with pytest.raises(TokenError, match="write token_file = "):
        make_token(config)


def test_a_short_token_in_a_file_is_refused(load, tmp_path):
    (tmp_path / "admin.token").write_text("short\n")
    with pytest.raises(TokenError, match="16 characters"):
        make_token(load())


def test_the_token_is_not_shown_with_the_configuration(load):
    config = load('[admin]\ntoken = "0123456789abcdef"\n')
    assert "0123456789abcdef" not in str(config.effective())
    assert "0123456789abcdef" not in repr(config.admin)
