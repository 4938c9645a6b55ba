"""Tokens and people on the page."""

import re

X = {"name": "x"}


def test_a_token_is_shown_once_and_ends_at_once(sign_in):
    browser = sign_in()
    form = {"name": "script", "role": "viewer", "days": "3"}
    made = browser.post("/access/token", data=form)
    (token,) = re.findall(r"waypost_[\w-]+", made.text)
    assert made.headers["cache-control"] == "no-store"
    assert token not in browser.get("/access").text
    shown = {"Authorization": f"Bearer {token}"}
    api = "/api/v1/endpoints"
    assert browser.get(api, headers=shown).status_code == 200
    browser.post("/access/remove", data={"kind": "token", "name": "script"})
    assert browser.get(api, headers=shown).status_code == 401


def test_a_person_comes_and_goes(sign_in):
    browser = sign_in()
    form = {"name": "bruno", "role": "operator", "password": "a long enough secret"}
    page = browser.post("/access/person", data=form)
    assert "bruno" in page.text and "a long enough" not in page.text
    page = browser.post("/access/remove", data={"kind": "person", "name": "bruno"})
    assert "End the access of bruno" not in page.text


def test_what_cannot_be_is_refused_with_a_sentence(sign_in):
    browser = sign_in()
    bad = browser.post("/access/token", data={"name": "x", "role": "king"})
    assert bad.status_code == 422 and "a role is one of" in bad.text
    bad = browser.post("/access/token", data={**X, "role": "viewer", "days": "x"})
    assert bad.status_code == 422 and "days is a number" in bad.text


def test_it_is_an_admins(sign_in):
    browser = sign_in("operator")
    assert browser.get("/access").status_code == 403
    form = {"name": "x", "role": "admin"}
    assert browser.post("/access/token", data=form).status_code == 403
    assert 'href="/access"' not in browser.get("/now").text
