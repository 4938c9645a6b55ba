"""The pages in the system's Chromium, beside a real service with a pending cutover."""

import pytest

from proxy.console.pages.sections import SECTIONS
from tests.support.browser import (
    first_paint,
    seat,
    sticks_out,
    violations,
    weight,
)
from tests.support.two_pools import OLD
from tests.wire.test_guard import ALIAS

pytestmark = pytest.mark.asyncio(loop_scope="module")  # of its `chromium`
NEW_ENDPOINT = ("endpoint", "new", "--sip-address")
MOST = 150_000
FIRST_PAINT = 1000.0
"""Milliseconds: 200 on a quiet machine, and this one may be busy."""


LOOKS = (("en", "light", 1280, 390), ("it", "dark", 390, 1280))
"""Language, theme, and the widths: axe judges at the first, both must fit."""
DETAILS = (
    f"/endpoints/one?address={ALIAS}",
    "/endpoints/new",
    "/endpoints?q=nobody",
    f"/pools/one?fqdn={OLD}",
    "/calls?aor=nobody",
    "/migration/report",
    "/nowhere",
)


async def _fits(page, place, width, other):
    """No violation, and nothing sticks out at either width."""
    await page.wait_for_selector("h1")
    assert await violations(page) == [], place
    for each in (other, width):
        await page.set_viewport_size({"width": each, "height": 850})
        assert await sticks_out(page) <= 0, (place, each)


async def test_every_page_can_be_read_by_all(tmp_path, chromium):
    """Both languages, both themes, both widths: no violation, nothing sticks out."""
    async with seat(tmp_path, chromium) as desk:
        await _some_of_everything(desk)
        for language, theme, width, other in LOOKS:
            look = {"language": language, "theme": theme, "width": width}
            page = await desk.visitor(**look)
            await page.goto(f"{desk.url}/sign-in")
            assert await page.get_attribute("html", "lang") == language
            await _fits(page, "/sign-in", width, other)
            page = await desk.signed_in(**look)
            for path in (*(each.path for each in SECTIONS), *DETAILS):
                await page.goto(f"{desk.url}{path}")
                await _fits(page, path, width, other)
            await page.goto(f"{desk.url}/calls")
            await page.goto(desk.url + await page.get_attribute("#lines a", "href"))
            await page.click("details.card summary")
            await _fits(page, "a call", width, other)
            await _states(desk, page, width, other)
        told = [each for each in desk.troubles if "status of 4" not in each]
        assert told == []


async def _some_of_everything(desk):
    """A pending cutover, a retired endpoint, a long name, calls, a plan."""
    long = f"sip:a-group-chat-service-{'with-a-long-name-' * 2}@contoso.test"
    await desk.it.type(*(*NEW_ENDPOINT, long, "--pool-fqdn", OLD))
    await desk.it.type("endpoint", "retire", long)
    await desk.it.type("runbook", "--plan", str(desk.it.plan))
    await desk.it.arm("--confirm-within", "30")
    await desk.it.scene.follows()
    await desk.it.calls(2)


async def _states(desk, page, width, other):
    """What pages look like while something is asked, told, refused or opened."""
    await page.goto(f"{desk.url}/now")
    await page.click("#confirm-cutover")
    await page.wait_for_selector("#ask[open]")
    await _fits(page, "a question", width, other)
    await page.keyboard.press("Escape")
    await page.wait_for_selector("#ask[open]", state="detached")
    await page.click(".account summary")
    await _fits(page, "the account", width, other)
    await page.keyboard.press("Escape")
    assert await page.locator(".account[open]").count() == 0
    assert await page.evaluate("document.activeElement.matches('.account summary')")
    await page.goto(f"{desk.url}/migration")
    await page.wait_for_selector(".checklist")
    await page.click("[hx-post='/migration/plan/look']")
    await page.wait_for_selector("#said .note")  # one cutover waits already
    await page.click("#users ~ section .more summary >> nth=0")
    await _fits(page, "a refusal, and the steps", width, other)
    await page.goto(f"{desk.url}/endpoints/one?address={ALIAS}")
    await page.click("#ask-doctor")
    await page.wait_for_selector("#doctor table")
    await page.click("#look-at-end")
    await page.wait_for_selector("#outcome .note")
    await _fits(page, "doctor and what would happen", width, other)
    await page.goto(f"{desk.url}/endpoints")
    await page.fill("[name=uri]", ALIAS)
    await page.click("[hx-get='/endpoints/explain'] button")
    await page.wait_for_selector("#explained table")
    rows = f"sip:x@contoso.test,{OLD}\nnonsense,{OLD}\n"
    text = f"SipAddress,PersistentChatPoolFqdn\n{rows}"
    file = {"name": "x.csv", "mimeType": "text/csv", "buffer": text.encode()}
    await page.set_input_files("[data-drop='/endpoints/import'] input", file)
    await page.wait_for_selector("#imported table")
    await _fits(page, "explained and imported", width, other)


WALK = """() => {
  const all = "a[href], button, input, select, textarea, summary, [tabindex='0']";
  return [...document.querySelectorAll(all)].filter((each) =>
    each.type !== "hidden" && !each.disabled && each.checkVisibility()).length;
}"""
AT = """(known) => {
  const at = document.activeElement;
  at.dataset.at = at.dataset.at || String(known);
  const style = getComputedStyle(at);
  return [at.dataset.at, style.outlineStyle !== "none", at.tagName];
}"""


async def test_every_page_is_walked_with_the_keyboard_alone(tmp_path, chromium):
    """The first Tab skips to the content; the next ones reach all, each to be seen."""
    async with seat(tmp_path, chromium) as desk:
        await _some_of_everything(desk)
        page = await desk.signed_in()
        for path in (*(each.path for each in SECTIONS), *DETAILS[:2]):
            await page.goto(f"{desk.url}{path}")
            await page.wait_for_load_state("networkidle") if path == "/pools" else None
            await page.keyboard.press("Tab")
            assert await page.evaluate("document.activeElement.matches('.skip')"), path
            await page.keyboard.press("Enter")
            assert await page.evaluate("document.activeElement.id") == "main", path
            await page.goto(f"{desk.url}{path}")
            if path == "/migration":
                await page.wait_for_selector(".checklist")
            wanted, seen = await page.evaluate(WALK), set()
            for number in range(3 * wanted):
                await page.keyboard.press("Tab")
                at, is_shown, tag = await page.evaluate(AT, number)
                if tag == "BODY":
                    break
                assert is_shown, (path, tag)
                seen.add(at)
            assert len(seen) >= wanted, (path, len(seen), wanted)
        assert desk.troubles == []


async def test_pages_are_light_and_quick(tmp_path, chromium, capsys):
    async with seat(tmp_path, chromium) as desk:
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


async def test_a_cutover_is_confirmed_with_the_keyboard_alone(tmp_path, chromium):
    async with seat(tmp_path, chromium) as desk:
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
