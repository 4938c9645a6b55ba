"""Pools on the page: front ends taken out and put back."""

import pytest

from tests.support.browser import seat, violations

pytestmark = pytest.mark.asyncio(loop_scope="module")  # of its `chromium`


async def test_a_front_end_is_drained_and_comes_back(tmp_path, chromium):
    async with seat(tmp_path, chromium) as desk:
        page = await desk.signed_in()
        await page.goto(f"{desk.url}/pools")
        # The last front end of a pool is refused: nobody would be served.
        await page.locator("button:has-text('Drain')").first.click()
        await page.wait_for_selector("#ask[open]")
        await page.locator("#ask button[value=yes]").click()
        await page.wait_for_selector("#said .note.failed")
        assert "--force" in await page.inner_text("#said")
        async with desk.it.scene.operator() as operator:
            assert not (await operator.store.load_table()).drains
        assert await violations(page) == []


async def test_what_is_drained_can_be_put_back(tmp_path, chromium):
    async with seat(tmp_path, chromium) as desk:
        pool = "oldpool.contoso.test"
        await desk.it.type("pool", "drain", f"fe.{pool}", "--pool", pool, "--force")
        page = await desk.signed_in()
        await page.goto(f"{desk.url}/pools/one?fqdn={pool}")
        await page.wait_for_selector(".pill:has-text('drained')")
        await page.locator("button:has-text('Undrain')").first.click()
        await page.wait_for_selector(".pill:has-text('drained')", state="detached")
        async with desk.it.scene.operator() as operator:
            assert not (await operator.store.load_table()).drains


async def test_what_is_drained_on_another_port_is_not_shown_as_out(tmp_path, chromium):
    async with seat(tmp_path, chromium) as desk:
        pool = "oldpool.contoso.test"
        await desk.it.type("pool", "drain", f"fe.{pool}:1", "--pool", pool, "--force")
        page = await desk.signed_in()
        await page.goto(f"{desk.url}/pools/one?fqdn={pool}")
        await page.wait_for_selector("button:has-text('Drain')")
        assert await page.locator(".pill:has-text('drained')").count() == 0
