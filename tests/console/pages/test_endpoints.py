"""Endpoints on the page: made, changed as seen, retired, undone, imported."""

import re

POOL = "pc.contoso.test"
ADDRESS = "sip:ocschat@contoso.test"
NEW = {
    "sip_address": ADDRESS,
    "pool_fqdn": POOL,
    "request_uri": "pool-host",
}


def seen(browser):
    page = browser.get("/endpoints/one", params={"address": ADDRESS})
    assert page.status_code == 200
    return re.search(r'name="seen" value="([^"]+)"', page.text)[1].replace("&#34;", '"')


def test_what_if_changes_nothing_and_create_does(sign_in):
    browser = sign_in("operator")
    page = browser.post("/endpoints/new", data={**NEW, "go": "no"})
    assert "nothing was changed" in page.text and "verb create" in page.text
    assert "There is no endpoint yet" in browser.get("/endpoints").text
    page = browser.post("/endpoints/new", data={**NEW, "go": "yes"})
    assert page.status_code == 200 and "Done" in page.text
    assert ADDRESS in browser.get("/endpoints").text
    assert ADDRESS not in browser.get("/endpoints", params={"q": "nobody"}).text
    assert ADDRESS in browser.get("/endpoints", params={"q": "PC.contoso"}).text


def test_a_change_is_made_of_what_was_seen_alone(sign_in):
    browser = sign_in("operator")
    browser.post("/endpoints/new", data={**NEW, "go": "yes"})
    tag = seen(browser)
    change = {"address": ADDRESS, "seen": tag, "pool_fqdn": "two.contoso.test"}
    change |= {"request_uri": "pool-host", "go": "yes"}
    assert browser.post("/endpoints/set", data=change).status_code == 200
    late = browser.post("/endpoints/set", data={**change, "display_name": "late"})
    assert late.status_code == 412 and "somebody has changed it" in late.text.replace(
        "\n", " "
    )
    page = browser.get("/endpoints/one", params={"address": ADDRESS}).text
    assert "two.contoso.test" in page and "late" not in page


def test_retire_activate_undo_and_remove(sign_in):
    browser = sign_in("operator")
    browser.post("/endpoints/new", data={**NEW, "go": "yes"})
    form = {"address": ADDRESS, "text": "Chat has moved"}

    def page():
        return browser.get("/endpoints/one", params={"address": ADDRESS}).text

    for verb, is_retired in (("retire", False), ("activate", True)):
        look = {**form, "seen": seen(browser)}
        told = browser.post(f"/endpoints/{verb}", data=look)
        assert "nothing was changed" in told.text and "hx-trigger" not in told.headers
        assert ("It is retired" in page()) == is_retired
        told = browser.post(f"/endpoints/{verb}", data={**look, "go": "yes"})
        assert "Done" in told.text
        assert told.headers["hx-trigger-after-swap"] == "changed"
        assert ("It is retired" in page()) != is_retired
        assert ("Chat has moved</strong>" in page()) != is_retired
        other = {"retire": "activate", "activate": "retire"}[verb]
        late = browser.post(f"/endpoints/{other}", data={**look, "go": "yes"})
        assert late.status_code == 412
    numbers = re.findall(r"number&#34;: (\d+)|\"number\": (\d+)", page())
    newest = max(int(a or b) for a, b in numbers)
    assert browser.post("/endpoints/undo", data={"number": newest}).status_code == 200
    assert "It is retired" in page()
    assert browser.post("/endpoints/undo", data={"number": "x"}).status_code == 422
    form["seen"] = seen(browser)
    look = browser.post("/endpoints/remove", data=form)
    assert "nothing was changed" in look.text and ADDRESS in look.text
    gone = browser.post("/endpoints/remove", data={**form, "go": "yes"})
    assert gone.headers["hx-retarget"] == "#one"
    assert "There is no endpoint yet" in browser.get("/endpoints").text


def test_a_file_is_first_shown_line_by_line(sign_in):
    browser = sign_in("operator")
    text = "SipAddress,PersistentChatPoolFqdn\n"
    bad = f"{text}sip:a@contoso.test,{POOL}\nsip:b@elsewhere.test,{POOL}\n"
    page = browser.post("/endpoints/import", data={"text": bad})
    assert page.status_code == 200 and "1 lines cannot be taken" in page.text
    assert "Take them over" not in page.text
    good = f"{text}sip:a@contoso.test,pc.contoso.test\n"
    page = browser.post("/endpoints/import", data={"text": good})
    assert "Take them over" in page.text
    assert "There is no endpoint yet" in browser.get("/endpoints").text
    browser.post("/endpoints/import", data={"text": good, "go": "yes"})
    assert "sip:a@contoso.test" in browser.get("/endpoints").text


def test_what_strangers_write_is_shown_and_never_run(sign_in):
    browser = sign_in("operator")
    name = '"><script>x</script>'
    browser.post("/endpoints/new", data={**NEW, "display_name": name, "go": "yes"})
    for page in ("/endpoints", f"/endpoints/one?address={ADDRESS}"):
        text = browser.get(page).text
        assert "<script>x" not in text and "&lt;script&gt;x" in text


def test_a_viewer_sees_no_form_and_changes_nothing(sign_in):
    browser = sign_in("viewer")
    assert "New endpoint" not in browser.get("/endpoints").text
    for path in (*("new", "set", "retire", "activate", "remove", "undo", "import"),):
        assert browser.post(f"/endpoints/{path}", data=NEW).status_code == 403
