"""The whole weekend played on the page: real service, real pools, real legacy clients.

Facts are dropped, a plan is made and looked at, applied under guard; a client arrives
and is seen; the pool goes bad and the switch takes itself back; once more, and kept.
"""

import json
import time

import pytest

from proxy.lab.front_end import Behaviour
from tests.facts.world import right_a
from tests.support.browser import seat, sticks_out, violations
from tests.support.two_pools import NEW, OLD
from tests.wire.test_guard import ALIAS

pytestmark = pytest.mark.asyncio(loop_scope="module")  # of its `chromium`
SEEN_WITHIN = 2.0
"""Seconds from a client's call to its name on the page."""
WORDS = {
    "en": {
        "served": "1 served",
        "kept": "confirmed",
        "back": "Rolled back by its guard",
        "used": "8 users in the last 14 days",
        "not yet": "nothing was changed",
        "retired": "retired",
    },
    "it": {
        "served": "1 servite",
        "kept": "confermato",
        "back": "Annullato dalla sua",
        "used": "8 utenti negli ultimi 14 giorni",
        "not yet": "non è stato cambiato nulla",
        "retired": "ritirato",
    },
}


def facts_file(folder):
    text = json.dumps(right_a()).replace("contoso.com", "contoso.test")
    path = folder / "facts.json"
    path.write_text(text.replace("pcpool.", "newpool."))
    return path


async def drop(page, path):
    """Drop a file onto the page, as a mouse does."""
    await page.evaluate(
        """([text, name]) => {
          const moved = new DataTransfer();
          moved.items.add(new File([text], name, {type: "application/json"}));
          const box = document.querySelector(".drop");
          for (const kind of ["dragover", "drop"])
            box.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true,
              dataTransfer: moved}));
        }""",
        [path.read_text(), path.name],
    )


async def yes(page, button):
    """Press a button, and say yes to the one question."""
    await page.click(button)
    await page.click("#ask [value=yes]")


async def apply_in_spite(page):
    """Facts of another place stand against it, so somebody has to say so."""
    await yes(page, "#apply")
    await yes(page, "#outcome button.danger")
    await page.wait_for_selector("#outcome .note.ok")


@pytest.mark.parametrize("language", ["en", "it"])
async def test_the_weekend_is_played_on_the_page(tmp_path, chromium, language):
    words = WORDS[language]
    async with seat(tmp_path, chromium) as desk:
        theme = "dark" if language == "it" else "light"
        page = await desk.signed_in(language=language, theme=theme)
        await page.goto(f"{desk.url}/migration")
        await drop(page, facts_file(tmp_path))
        await page.wait_for_selector("#facts .lines")
        await page.fill("[name=to_pool]", NEW)
        await page.click("[hx-post='/migration/plan/rows']")
        await page.wait_for_selector(f"[name=expect_pool][value='{OLD}']")
        await page.fill("[name=plan_name]", "weekend")
        await page.fill("[name=confirm_within]", "30")
        await page.fill("[name=least]", "6")
        await page.click("[hx-post='/migration/plan/keep']")
        await page.wait_for_selector(".checklist")
        await page.click("[hx-post='/migration/plan/look']")
        await page.wait_for_selector(f"#outcome ins:text-is('{NEW}')")
        assert (await desk.it.type("cutover", "status")) is None
        assert await violations(page) == []

        await apply_in_spite(page)
        status = await desk.it.status()
        assert (status["state"], status["guard"]["min"]) == ("applied", 6)
        await page.wait_for_selector("#cutover [role=timer]")
        await desk.it.scene.follows()
        assert await desk.it.call(1) == 200
        called = time.monotonic()
        await page.wait_for_selector("#users :text('user1@contoso.test')")
        seen = time.monotonic() - called
        assert words["served"] in await page.inner_text("#users")

        desk.it.new.behaviour = Behaviour("answer", 500)
        await desk.it.calls(7)
        await page.wait_for_selector(f"#cutover :text('{words['back']}')")
        assert (await desk.it.status())["settled_by"] == "waypost (guard)"
        assert await violations(page) == []
        await page.goto(f"{desk.url}/now")
        await page.wait_for_selector(f"#cutover :text('{words['back']}')")

        desk.it.new.behaviour = Behaviour()
        await page.goto(f"{desk.url}/migration")
        await yes(page, "#users button")
        await yes(page, "#outcome button.danger")
        await page.wait_for_selector("#confirm-cutover")
        await yes(page, "#confirm-cutover")
        await page.wait_for_selector(f".cutover.confirmed :text('{words['kept']}')")
        await page.goto(f"{desk.url}/migration/report")
        await page.wait_for_selector(".report")
        assert await violations(page) == []
        pdf = await page.pdf()
        assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") == 1
        await _retire(desk, page, words)
        print(f"\na client was seen {seen:.2f} s after its call")
        assert seen < SEEN_WITHIN + 8, "2 s on a machine that is not busy"
        assert desk.troubles == []


async def _retire(desk, page, words):
    """Who still dials it is looked at, then it answers 410, and is counted on."""
    await page.goto(f"{desk.url}/usage")
    card = page.locator(".card", has=page.locator("h2 a"))
    assert words["used"] in await card.inner_text()
    left = await card.locator("table.even tbody td:nth-child(2)").all_inner_texts()
    assert len(left) == 2 and sum(map(int, left)) == 8
    assert await violations(page) == []
    await card.locator("h2 a").click()
    await page.fill("[name=text]", "Chat has moved")
    await page.click("#look-at-end")
    await page.wait_for_selector(f"#outcome :text('{words['not yet']}')")
    await yes(page, "#retire-endpoint")
    await page.wait_for_selector(f"#one .pill:has-text('{words['retired']}')")
    await page.wait_for_selector("#history td:has-text('anna')")
    assert await page.evaluate("document.activeElement.id") == "outcome"
    assert await violations(page) == []
    await desk.it.scene.follows()
    assert await desk.it.call(1) == 410
    await page.goto(f"{desk.url}/usage")
    await page.wait_for_selector(f".card .pill:has-text('{words['retired']}')")


async def test_two_administrators_do_not_settle_what_they_have_not_seen(
    tmp_path, chromium
):
    """Both look at cutover 1; one confirms it, and the other's page is of before."""
    async with seat(tmp_path, chromium) as desk:
        await desk.it.arm("--confirm-within", "30")
        await desk.person("bea", "operator")
        anna, bea = await desk.signed_in(), await desk.signed_in("bea")
        secret = json.loads(await bea.get_attribute("body", "hx-headers"))
        seen = json.loads(await bea.get_attribute("#roll-back-cutover", "hx-vals"))
        await bea.click("#roll-back-cutover")
        await yes(anna, "#confirm-cutover")
        await anna.wait_for_selector(".cutover.confirmed")
        await bea.wait_for_selector(".cutover.confirmed")
        await bea.click("#ask [value=yes]")
        await bea.wait_for_selector("#told :text('Somebody has changed it meanwhile')")
        late = f"{desk.url}/now/rollback"
        answer = await bea.request.post(late, form=seen, headers=secret)
        assert answer.status == 412
        assert (await desk.it.status())["state"] == "confirmed"
        assert desk.troubles == []


async def test_two_administrators_do_not_overwrite_one_another(tmp_path, chromium):
    """Both edit an endpoint; who is late is told, and sees what the other did."""
    async with seat(tmp_path, chromium) as desk:
        await desk.person("bea", "operator")
        anna, bea = await desk.signed_in(), await desk.signed_in("bea", language="it")
        for page in (anna, bea):
            await page.goto(f"{desk.url}/endpoints/one?address={ALIAS}")
        await anna.fill("[name=display_name]", "what anna wrote")
        await bea.fill("[name=display_name]", "what bea wrote")
        await anna.click("#save-endpoint")
        await anna.wait_for_selector("#one dd:text-is('what anna wrote')")
        await bea.click("#save-endpoint")
        await bea.wait_for_selector("#said .note.failed")
        await bea.wait_for_selector("#one dd:text-is('what anna wrote')")
        assert await bea.input_value("[name=display_name]") == "what anna wrote"
        assert await bea.is_visible("#said .note.failed")
        assert "anna" in await bea.inner_text("#history")
        await bea.fill("[name=display_name]", "what bea wrote then")
        await bea.click("#save-endpoint")  # now she has seen it
        await bea.wait_for_selector("#one dd:text-is('what bea wrote then')")
        assert await bea.locator("#said .note").count() == 0
        (row,) = await desk.it.type("endpoint", "get", ALIAS)
        assert row["display_name"] == "what bea wrote then"
        desk.troubles[:] = [each for each in desk.troubles if "412" not in each]
        assert desk.troubles == []


async def test_what_is_shown_anew_while_it_is_asked_about_is_still_done(
    tmp_path, chromium
):
    async with seat(tmp_path, chromium) as desk:
        await desk.it.arm("--confirm-within", "30")
        page = await desk.signed_in()
        await page.click("#confirm-cutover")
        await desk.it.calls(2)
        await page.wait_for_selector("#cutover :text('of 2 calls')")
        await page.click("#ask [value=yes]")
        await page.wait_for_selector(".cutover.confirmed")
        assert (await desk.it.status())["state"] == "confirmed"
        assert desk.troubles == []


async def test_a_viewer_sees_everything_and_no_button(tmp_path, chromium):
    async with seat(tmp_path, chromium) as desk:
        await desk.it.arm("--confirm-within", "30")
        await desk.person("vera", "viewer")
        page = await desk.signed_in("vera", width=390)
        assert await page.is_visible("#cutover [role=timer]")
        assert await page.locator("#cutover button").count() == 0
        await page.goto(f"{desk.url}/migration")
        await page.wait_for_selector("#checklist p")
        assert await page.locator("main button[hx-post]").count() == 0
        assert await sticks_out(page) <= 0
        assert await violations(page) == []
        assert desk.troubles == []
