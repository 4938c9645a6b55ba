"""Signing in on a page, and what stands before every page."""

import re

import pytest

from proxy.console.pages.installed import PAGES
from proxy.console.pages.sections import SECTIONS
from proxy.console.sessions import CSRF_HEADER
from tests.support.console import new_token

HTML = {"Accept": "text/html"}
ROUTES = sorted(
    (method, route.path)
    for each in PAGES
    for route in each.router.routes
    for method in route.methods
)
OPEN = ("/sign-in", "/look")


def test_a_page_leads_to_sign_in_and_back(config_file, browser):
    answer = browser.get("/now")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/sign-in?next=/now",
    )
    token = new_token(config_file, "viewer")
    answer = browser.post("/sign-in", data={"token": token, "next": "/now"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/now")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert browser.get("/now").status_code == 200


@pytest.mark.parametrize(
    "where",
    [
        "https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x",
        "/now/../../x", "/now?x=//evil.example", "\r\nSet-Cookie: x=1", "/sign-out", "",
    ],
)  # fmt: skip
def test_nobody_is_led_elsewhere_after_signing_in(config_file, browser, where):
    token = new_token(config_file, "viewer")
    page = browser.get("/sign-in", params={"next": where})
    assert 'name="next" value="/now"' in page.text
    answer = browser.post("/sign-in", data={"token": token, "next": where})
    assert answer.headers["location"] == "/now"
    back = browser.post("/look", data={"back": where, "theme": "dark"})
    assert back.headers["location"] == "/now"


def test_a_wrong_password_is_told_and_the_name_kept(browser):
    form = {"name": '"><script>x</script>', "password": "wrong", "next": "/now"}
    answer = browser.post("/sign-in", data=form)
    assert answer.status_code == 401
    assert "That is not right" in answer.text
    assert "<script>x" not in answer.text
    assert "wrong" not in answer.text.replace("That is not right", "")
    for _ in range(5):
        answer = browser.post("/sign-in", data=form)
    assert answer.status_code == 429
    assert "Too many failures" in answer.text


def test_a_page_of_somebody_else_signs_nobody_in(config_file, browser):
    token = new_token(config_file, "viewer")
    headers = {"Origin": "https://evil.example"}
    for path in ("/sign-in", "/look"):
        answer = browser.post(path, data={"token": token}, headers=headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


def test_signing_out_ends_the_session(sign_in):
    browser = sign_in()
    assert browser.post("/sign-out", headers={CSRF_HEADER: "x"}).status_code == 403
    answer = browser.post("/sign-out", headers={"HX-Request": "true"})
    assert answer.headers["hx-redirect"] == "/sign-in"
    assert browser.get("/now").status_code == 303
    answer = browser.get("/now/events", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/sign-in")


def test_a_viewer_is_refused_every_change(sign_in):
    browser, tried = sign_in("viewer"), 0
    for method, path in ROUTES:
        if method == "GET" or path in (*OPEN, "/sign-out"):
            continue
        answer = browser.request(method, re.sub(r"\{\w+\}", "1", path), data={"x": "1"})
        assert answer.status_code == 403, (method, path)
        assert "has the role viewer" in answer.text
        tried += 1
    assert tried >= 2


def test_every_change_needs_the_secret_of_the_session(sign_in):
    browser, tried = sign_in("admin"), 0
    del browser.headers[CSRF_HEADER]
    for method, path in ROUTES:
        if method == "GET" or path in OPEN:
            continue
        answer = browser.request(method, re.sub(r"\{\w+\}", "1", path), data={"x": "1"})
        assert answer.status_code == 403, (method, path)
        assert CSRF_HEADER in answer.text
        tried += 1
    assert tried >= 3


def test_nobody_sees_a_page_without_signing_in(browser):
    for method, path in ROUTES:
        if path in OPEN:
            continue
        answer = browser.request(method, re.sub(r"\{\w+\}", "1", path))
        assert answer.status_code == 303, (method, path)
        assert answer.headers["location"].startswith("/sign-in")


def test_a_scope_sees_its_own_sections(sign_in):
    browser = sign_in("operator", domains=["contoso.com"])
    for each in SECTIONS:
        status = browser.get(each.path).status_code
        assert status == (403 if each.is_whole or each.role == "admin" else 200)
        assert (f'href="{each.path}"' in browser.get("/now").text) == (status == 200)


def test_language_and_colours_are_remembered(browser):
    assert '<html lang="en" data-theme="auto">' in browser.get("/sign-in").text
    answer = browser.post("/look", data={"language": "it", "back": "/sign-in"})
    assert answer.headers["location"] == "/sign-in"
    browser.post("/look", data={"theme": "dark", "back": "/sign-in"})
    assert '<html lang="it" data-theme="dark">' in browser.get("/sign-in").text
    browser.post("/look", data={"theme": '"><b>', "language": "../../etc"})
    assert '<html lang="it" data-theme="dark">' in browser.get("/sign-in").text


def test_what_is_not_there_is_a_page_for_browsers_and_a_problem_for_programs(browser):
    answer = browser.get("/nowhere")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
    answer = browser.get("/nowhere", headers={"Accept": "application/json"})
    assert answer.json()["status"] == 404
    assert browser.get("/api/v1/nowhere").json()["status"] == 404


def test_assets_are_kept_for_good_and_come_packed(browser):
    page = browser.get("/sign-in").text
    paths = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert len(paths) >= 4
    for path in paths:
        answer = browser.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        plain = browser.get(path, headers={"Accept-Encoding": "identity"})
        assert plain.content == answer.content
        assert "content-encoding" not in plain.headers
    assert browser.get("/static/x/desk.css").status_code == 404
    assert browser.get("/static/../serve.py").status_code == 404


def test_no_page_has_script_or_style_in_line(sign_in):
    browser = sign_in()
    for path in ("/sign-in", "/nowhere", *(each.path for each in SECTIONS)):
        text = browser.get(path).text
        assert not re.search(r"<script(?![^>]*\bsrc=)", text)
        assert "<style" not in text
        assert not re.search(r"\s(style|on\w+)=", text)
