"""The pages in the system's Chromium, beside a real service with a pending cutover."""

from proxy.console.pages.sections import SECTIONS
from tests.support.browser import (
    first_paint,
    seat,
    sticks_out,
    violations,
    weight,
)

MOST = 150_000
FIRST_PAINT = 1000.0
"""Milliseconds: 200 on a quiet machine, and this one may be busy."""


async def test_every_page_can_be_read_by_all(tmp_path):
    """Both languages, both themes, both widths: no violation, nothing sticks out."""
    async with seat(tmp_path) as desk:
        await desk.it.arm("--confirm-within", "30")
        for language, theme in (("en", "light"), ("it", "dark")):
            page = await desk.visitor(language=language, theme=theme)
            await page.goto(f"{desk.url}/sign-in")
            assert await page.get_attribute("html", "lang") == language
            assert await violations(page) == []
            page = await desk.signed_in(language=language, theme=theme)
            for each in SECTIONS:
                for width in (1280, 390):
                    await page.set_viewport_size({"width": width, "height": 850})
                    await page.goto(f"{desk.url}{each.path}")
                    await page.wait_for_selector("h1")
                    assert await violations(page) == [], (each.path, width, theme)
                    assert await sticks_out(page) <= 0, (each.path, width)
        assert desk.troubles == []


async def test_pages_are_light_and_quick(tmp_path, capsys):
    async with seat(tmp_path) as desk:
        page = await desk.signed_in()
        for each in SECTIONS:
            await page.goto(f"{desk.url}{each.path}")
            size = await weight(page)
            paints = [FIRST_PAINT]
            for _ in range(10):  # one that is slow is slow each time
                if min(paints) < FIRST_PAINT:
                    break
                await page.reload()
                paints.append(await first_paint(page))
            with capsys.disabled():
                print(f"\n{each.path}: {size} bytes, first paint {min(paints):.0f} ms")
            assert size <= MOST, each.path
            assert min(paints) < FIRST_PAINT, each.path
        assert desk.troubles == []


async def test_a_cutover_is_confirmed_with_the_keyboard_alone(tmp_path):
    async with seat(tmp_path) as desk:
        await desk.it.arm("--confirm-within", "30")
        page = await desk.visitor()
        await page.goto(f"{desk.url}/now")
        for text in ("anna", "correct horse battery"):
            while not await page.evaluate("document.activeElement.matches('input')"):
                await page.keyboard.press("Tab")
            await page.keyboard.type(text)
            await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/now")
        await page.wait_for_selector(".live:not(:empty)")
        await _tab_to(page, "confirm-cutover")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#ask[open]")
        await page.keyboard.press("Escape")
        await page.wait_for_selector("#ask[open]", state="detached")
        assert (await desk.it.status())["state"] == "applied"
        # What is shown anew leaves the keyboard where it is.
        await desk.it.calls(1)
        await page.wait_for_selector("#cutover :text('of 1 call')")
        assert await page.evaluate("document.activeElement.id") == "confirm-cutover"
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#ask[open]")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(".cutover.confirmed")
        assert (await desk.it.status())["state"] == "confirmed"
        assert "in force" in await page.inner_text("#told")
        assert desk.troubles == []


async def _tab_to(page, id_):
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.id") == id_:
            return
    raise AssertionError(f"no Tab leads to {id_}")
