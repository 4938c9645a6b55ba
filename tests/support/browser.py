"""The system's Chromium over a console beside a real service."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from proxy.admin.access import people
from proxy.config import load_config
from proxy.console.serve import Console, console
from tests.support.console import PASSWORD
from tests.support.ports import free_address
from tests.wire.test_guard import Guarded, guarded

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ADVERTISED = "WAYPOST_PROXY_ADVERTISED_HOST"
WAIT = 15_000
"""Milliseconds that a page may take on a busy machine."""


@dataclass
class Seat:
    """A scene with old pool, new pool and service; a console; a browser before it.

    ``troubles`` is what the browser's console complained of, CSP reports included.
    """

    it: Guarded
    console: Console
    browser: Browser
    troubles: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.console.url

    async def person(self, name: str, role: str = "admin", **more: Any) -> None:
        """Somebody who may sign in."""
        async with self.it.scene.operator() as operator:
            await people.new_person(operator, name, role, PASSWORD, **more)

    async def visitor(
        self, *, width: int = 1280, language: str = "en", theme: str = "light"
    ) -> Page:
        """A page of a fresh browser, whose troubles are kept."""
        context: BrowserContext = await self.browser.new_context(
            viewport={"width": width, "height": 900 if width > 800 else 844},
            locale=language,
            color_scheme="dark" if theme == "dark" else "light",
        )
        self.contexts.append(context)
        context.set_default_timeout(WAIT)
        page = await context.new_page()
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on(
            "console",
            lambda line: (
                self.troubles.append(f"{page.url}: {line.text}")
                if line.type in ("error", "warning")
                else None
            ),
        )
        return page

    async def leave(self) -> None:
        """Close every page, as with the browser itself."""
        for each in self.contexts:
            await each.close()

    async def signed_in(self, name: str = "anna", **more: Any) -> Page:
        """A page of somebody who has signed in."""
        page = await self.visitor(**more)
        await page.goto(f"{self.url}/sign-in")
        await page.fill("[name=name]", name)
        await page.fill("[name=password]", PASSWORD)
        await page.click("button.primary")
        await page.wait_for_url("**/now")
        return page


@contextlib.contextmanager
def _known_as(name: str) -> Iterator[None]:
    """Lync knows the proxy by a name: so do the service and the console."""
    os.environ[ADVERTISED] = name
    try:
        yield
    finally:
        del os.environ[ADVERTISED]


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The system's, without a window."""
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def seat(
    directory: Path, browser: Browser | None = None, **more: Any
) -> AsyncIterator[Seat]:
    """A desk with everything on it; anna is an admin.

    ``browser`` may be one that others use, too: each visitor has a context of its own.
    """
    host, port = free_address("127.0.0.1")
    extra = f'[console]\nlisten = "{host}:{port}"\n'
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_known_as("proxy.contoso.test"))
        it = await stack.enter_async_context(guarded(directory, extra=extra, **more))
        running = await stack.enter_async_context(console(load_config(it.config)))
        if browser is None:
            browser = await stack.enter_async_context(chromium())
        found = Seat(it, running, browser)
        stack.push_async_callback(found.leave)
        await found.person("anna")
        yield found


async def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with a page, each with its places."""
    found = await Axe().run(page)
    return [
        f"{each['id']}: {node['html'][:120]} {node.get('failureSummary', '')[:300]}"
        for each in found.response["violations"]
        for node in each["nodes"]
    ]


async def sticks_out(page: Page) -> int:
    """Pixels by which a page is wider than its window."""
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return int(await page.evaluate(wide))


async def weight(page: Page) -> int:
    """Bytes of a page with everything that it loads, as they are before packing."""
    sizes = """() => performance.getEntriesByType("navigation")
      .concat(performance.getEntriesByType("resource"))
      .reduce((all, each) => all + each.decodedBodySize, 0)"""
    return int(await page.evaluate(sizes))


async def first_paint(page: Page) -> float:
    """Milliseconds until something was seen."""
    paints = "performance.getEntriesByType('paint').map((each) => each.startTime)"
    # Not with wait_for_function: it evaluates a text, which the page's policy forbids.
    async with asyncio.timeout(WAIT / 1000):
        while not (found := await page.evaluate(paints)):
            await asyncio.sleep(0.05)
    return float(found[0])
