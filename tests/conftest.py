"""One Redis for all tests, prepared processes, and the same examples each time.

WAYPOST_HYPOTHESIS=long draws WAYPOST_EXAMPLES (15,000) at random for each property.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.support import prepared
from tests.support.redis import RedisServer

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile(
    "ci",
    derandomize=True,
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=_QUIET,
)
settings.register_profile(
    "long",
    max_examples=int(os.environ.get("WAYPOST_EXAMPLES", "15000")),
    deadline=None,
    suppress_health_check=_QUIET,
)
settings.load_profile(os.environ.get("WAYPOST_HYPOTHESIS", "ci"))
prepared.install()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Each `waypost` of a test that is marked ``cold`` is executed: see `prepared`."""
    prepared.be_cold(item.get_closest_marker("cold") is not None)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    """One for all tests that do not end it: starting it takes longer than most."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis_url(redis_server):
    """The URL of a Redis that holds nothing."""
    redis_server.clear()
    return redis_server.url
