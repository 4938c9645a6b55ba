"""A console over a store of its own, and callers of every role."""

import pytest

from tests.support.console import caller, new_token, running_console, write_config


@pytest.fixture
def config_file(tmp_path):
    return write_config(tmp_path)


@pytest.fixture
def console(config_file):
    with running_console(config_file) as running:
        yield running


@pytest.fixture
def url(console):
    return console.url


@pytest.fixture
def call(config_file, url):
    """Makes a caller with a token of a role."""
    made = []

    def make(role="admin", **more):
        made.append(caller(url, new_token(config_file, role, **more)))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def admin(call):
    return call("admin")
