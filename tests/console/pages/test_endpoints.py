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
    assert "nothing was changed" in page.text and "create endpoint" in page.text
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


def test_retire_undo_and_remove(sign_in):
    browser = sign_in("operator")
    browser.post("/endpoints/new", data={**NEW, "go": "yes"})
    form = {"address": ADDRESS, "seen": seen(browser)}
    assert "state: active" in browser.post("/endpoints/retire", data=form).text
    page = browser.get("/endpoints/one", params={"address": ADDRESS}).text
    assert "retired" in page
    numbers = re.findall(r"number&#34;: (\d+)|\"number\": (\d+)", page)
    newest = max(int(a or b) for a, b in numbers)
    assert browser.post("/endpoints/undo", data={"number": newest}).status_code == 200
    assert browser.post("/endpoints/undo", data={"number": "x"}).status_code == 422
    form["seen"] = seen(browser)
    assert browser.post("/endpoints/remove", data=form).status_code == 200
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
    for path in ("new", "set", "retire", "remove", "undo", "import"):
        assert browser.post(f"/endpoints/{path}", data=NEW).status_code == 403
