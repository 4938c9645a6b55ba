"""What strangers can say, on every page of a real browser; and who must go, goes."""

import json
from urllib.parse import quote

import pytest

from proxy import clock
from proxy.console.pages.sections import SECTIONS
from proxy.journey.legacy_client import LegacyClient
from proxy.lab.front_end import Behaviour
from tests.console.pages.test_weekend import drop, facts_file
from tests.support.browser import seat
from tests.support.two_pools import OLD
from tests.support.until import comes_true
from tests.wire.test_guard import ALIAS

pytestmark = pytest.mark.asyncio(loop_scope="module")  # of its `chromium`
RUN = "alert(1)"
STRANGE = f"'\"><img src=x onerror={RUN}><script>{RUN}</script>{{{{1337*1337}}}}"
PRODUCT = str(1337 * 1337)
CALL_ID = f"<img/src=x/onerror={RUN}>{{{{1337*1337}}}}"
"""Every letter of it may stand in a Call-ID (RFC 3261 section 25.1, word)."""
USER = f"x'onerror={RUN}//%3Cimg%20src=x%3E$(1337*1337)"
NOBODY = f"sip:%3Cscript%3E{RUN}'@contoso.test"


class Stranger(LegacyClient):
    """A client that says what it likes of itself."""

    def new_dialog(self, uri):
        dialog = super().new_dialog(uri)
        shown = STRANGE.replace("\\", "\\\\").replace('"', '\\"')
        dialog.local = f'"{shown}" {dialog.local}'
        self._dialogs[CALL_ID] = self._dialogs.pop(dialog.call_id)
        dialog.call_id = CALL_ID
        return dialog

    def compose(self, method, dialog, **more):
        made = super().compose(method, dialog, **more)
        made.headers[:] = [
            (name, STRANGE if name == "User-Agent" else value)
            for name, value in made.headers
        ]
        return made


async def say(desk, uri):
    """One call, whatever becomes of it."""
    client = Stranger(desk.it.proxy, user=f"sip:{USER}@contoso.test", timeout=8.0)
    try:
        await client.connect()
        _, answer = await client.call(uri)
        return answer.status
    finally:
        await client.close()


def strange_facts(folder):
    """Facts in which every name of a person, a service or a place is markup."""
    path = facts_file(folder)
    facts = json.loads(path.read_text())
    facts["forest"] = facts["computer"] = STRANGE
    for section in facts["sections"].values():
        for row in section.get("rows", ()):
            for key in ("display_name", "name", "identity", "policy"):
                if key in row:
                    row[key] = f"{row[key]} {STRANGE}"
    path.write_text(json.dumps(facts))
    return path


async def is_harmless(page, path, *, shows):
    """Nothing that was said is markup here; ``shows``: and some of it stands here."""
    assert await page.locator("img[src=x]").count() == 0, path
    assert await page.locator("script:not([src])").count() == 0, path
    handlers = "[...document.querySelectorAll('[onerror]')].length"
    assert await page.evaluate(handlers) == 0, path
    text = await page.content()
    assert PRODUCT not in text, path
    assert (RUN in text) == shows, path


async def _sent_by_hand(desk, page):
    """The same in forms of ours: what comes back is text."""
    token = json.loads(await page.get_attribute("body", "hx-headers"))
    headers = {**token, "HX-Request": "true"}
    csv = f"SipAddress,PersistentChatPoolFqdn\n{STRANGE},{STRANGE}\n"
    for path, form in (
        (
            "/migration/plan/file",
            {"name": STRANGE, "text": f"name = {json.dumps(STRANGE)}"},
        ),
        ("/migration/facts", {"name": STRANGE, "text": "{}"}),
        ("/endpoints/import", {"text": csv}),
        ("/endpoints/set", {"address": STRANGE, "pool_fqdn": STRANGE}),
    ):
        answer = await page.request.post(
            f"{desk.url}{path}", form=form, headers=headers
        )
        assert "<img src=x" not in await answer.text(), path


async def _too_large(desk, page, folder):
    """A file that is too large to be read is refused on the page."""
    await page.goto(f"{desk.url}/migration")
    large = folder / "large.json"
    large.write_text("x" * (8 * 1024 * 1024 + 1))
    await page.set_input_files("[data-drop='/migration/facts'] input", large)
    await page.wait_for_selector("#said :text('the body has more than')")
    assert await page.is_visible("#facts .drop")


async def test_what_strangers_say_of_themselves_stays_text_on_every_page(
    tmp_path, chromium
):
    """User-Agent, From, Call-ID, dialled address, answer, display name, plan, facts."""
    async with seat(tmp_path, chromium) as desk:
        words = ("endpoint", "set", ALIAS, "--display-name", STRANGE)
        await desk.it.type(*words)
        text = desk.it.plan.read_text()
        name = json.dumps(STRANGE)
        desk.it.plan.write_text(text.replace('name = "guarded"', f"name = {name}"))
        await desk.it.arm("--confirm-within", "30")
        await desk.it.scene.follows()
        told = (("ms-diagnostics", f'1;reason="{STRANGE}"'), ("Server", STRANGE))
        desk.it.new.behaviour = Behaviour("answer", 486, headers=told)
        assert await say(desk, ALIAS) == 486
        assert await say(desk, NOBODY) == 404
        await desk.it.type("runbook", "--plan", str(desk.it.plan))
        await desk.it.type("runbook", "--done", "backup", "--note", STRANGE)
        page = await desk.signed_in()
        page.on("dialog", lambda each: desk.troubles.append(each.message))
        await page.wait_for_selector(".live:not(:empty)")
        await is_harmless(page, "/now", shows=True)  # the name of the plan
        await page.goto(f"{desk.url}/migration")
        await drop(page, strange_facts(tmp_path))
        await page.wait_for_selector("#facts .lines")
        await page.wait_for_selector("#users :text('onerror')")
        await page.wait_for_selector("#checklist :text('onerror')")
        await is_harmless(page, "/migration", shows=True)

        async def is_counted():
            await page.goto(f"{desk.url}/usage")
            rows = "[aria-labelledby=unserved-title] tbody tr"
            return await page.locator(rows).count() > 0

        await comes_true(is_counted)  # the ledger is saved once a second
        for path, shows in (
            ("/usage", True),
            ("/migration/report", True),
            ("/endpoints", True),
            (f"/endpoints?q={quote(STRANGE)}", True),
            ("/endpoints/new", False),
            (f"/endpoints/one?address={ALIAS}", True),
            (f"/endpoints/one?address={quote(STRANGE)}", True),
            ("/pools", False),
            (f"/pools/one?fqdn={OLD}", False),
            (f"/pools/one?fqdn={quote(STRANGE)}", True),
            ("/calls", True),
            (f"/calls/call?id={quote(CALL_ID, safe='')}", True),
            (f"/calls?aor={quote(STRANGE)}", True),
            ("/access", True),  # the history has the display name
            (f"/{quote(STRANGE)}", False),
        ):
            await page.goto(f"{desk.url}{path}")
            await page.wait_for_selector("h1")
            await is_harmless(page, path, shows=shows)
        await _sent_by_hand(desk, page)
        refused = ("404", "422")  # a page for each: what is asked for is not there
        told = [x for x in desk.troubles if not any(code in x for code in refused)]
        assert told == []
        await _too_large(desk, page, tmp_path)


async def test_who_is_put_out_is_led_to_sign_in_from_an_open_page(tmp_path, chromium):
    """A person who is removed, a token revoked, one that ends, a session that ends."""
    async with seat(tmp_path, chromium) as desk:
        its = desk.console.desk
        await desk.person("bea", "operator")
        tokens = {}
        for name in ("revoked", "ended"):
            words = ("token", "new", name, "--role", "viewer", "--days", "1")
            tokens[name] = (await desk.it.type(*words))["token"]
        its.clock = lambda: clock.wall() + 86_400 - 600

        async def with_token(name):
            page = await desk.visitor()
            await page.goto(f"{desk.url}/sign-in?next=/migration")
            await page.fill("[name=token]", tokens[name])
            await page.click("button.primary")
            await page.wait_for_url("**/migration")
            return page

        bea, carl = await desk.signed_in("bea"), await desk.signed_in()
        revoked, ended = await with_token("revoked"), await with_token("ended")
        for page in (bea, carl, revoked, ended):
            await page.wait_for_selector(".live:not(:empty)")
        await desk.it.type("person", "remove", "bea")
        await desk.it.type("token", "revoke", "revoked")
        for page in (bea, revoked):
            await page.wait_for_url("**/sign-in", timeout=30_000)
        assert "/migration" in ended.url
        its.clock = lambda: clock.wall() + 86_400 + 5
        await ended.wait_for_url("**/sign-in", timeout=30_000)
        assert "/now" in carl.url
        # He signs out in another tab, and this one goes as well.
        other = await carl.context.new_page()
        await other.goto(f"{desk.url}/access")
        await other.click(".account summary")
        await other.click("[hx-post='/sign-out']")
        await other.wait_for_url("**/sign-in")
        await carl.wait_for_url("**/sign-in", timeout=30_000)
        for each in SECTIONS:
            await carl.goto(f"{desk.url}{each.path}")
            assert "/sign-in" in carl.url
        # A stream that has ended is told to the browser's console by htmx.
        told = [each for each in desk.troubles if "[object Event]" not in each]
        assert told == []
