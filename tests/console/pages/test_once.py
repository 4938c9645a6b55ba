"""A link that signs in once, opened in the system's Chromium."""

import asyncio

from proxy.config import load_config
from proxy.console.serve import console
from tests.support.browser import WAIT, chromium
from tests.support.console import new_token, write_config


async def test_whoever_opens_the_link_is_in_and_the_next_one_is_not(tmp_path):
    path = write_config(tmp_path)
    await asyncio.to_thread(new_token, path, "operator", "anna")
    async with console(load_config(path)) as desk, chromium() as browser:
        link = desk.url + await desk.desk.link_for("anna")
        asked = []
        for is_in in (True, False):
            context = await browser.new_context()
            context.set_default_timeout(WAIT)
            page = await context.new_page()
            page.on("request", lambda request: asked.append(request.url))
            await page.goto(link)
            await page.wait_for_url("**/now" if is_in else "**/sign-in")
            if not is_in:
                await page.wait_for_selector(".note.failed")
    assert f"{desk.url}/now" in asked
    assert not any("once_" in each for each in asked)
