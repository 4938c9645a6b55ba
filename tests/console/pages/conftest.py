"""A browser without scripts, whose pages a test reads as text, and the system's own."""

import re

import httpx
import pytest
import pytest_asyncio

from proxy.admin.access import people
from proxy.console.sessions import CSRF_HEADER
from tests.support.browser import chromium
from tests.support.console import NOTHING_TO_VERIFY, PASSWORD, in_store

HTML = {"Accept": "text/html"}


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="chromium")
async def one_chromium():
    """One for the tests of a file, which share the event loop that it speaks to."""
    async with chromium() as found:
        yield found


@pytest.fixture
def browser(url):
    with httpx.Client(
        base_url=url, headers=HTML, timeout=20, verify=NOTHING_TO_VERIFY
    ) as client:
        yield client


@pytest.fixture
def sign_in(config_file, browser):
    def sign(role="admin", name="anna", **more):
        make = people.new_person
        in_store(config_file, lambda op: make(op, name, role, PASSWORD, **more))
        form = {"name": name, "password": PASSWORD}
        answer = browser.post("/sign-in", data=form)
        assert answer.status_code == 303
        found = re.search(
            r"X-Waypost-CSRF&#34;: &#34;([^&]+)", browser.get("/now").text
        )
        browser.headers[CSRF_HEADER] = found[1]
        return browser

    return sign
