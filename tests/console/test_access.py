"""Who may do what: tests over every route there is, of tokens and of sessions."""

import json
import time

import pytest

from proxy.admin.access import people, tokens
from proxy.console.app import APIS
from proxy.console.sessions import CSRF_HEADER
from proxy.store.access import ROLES
from tests.support.console import PASSWORD, caller, in_store

ROUTES = sorted(
    (method, route.path)
    for each in APIS
    for route in each.router.routes
    for method in route.methods
)
OPEN = [("POST", "/session")]
SIGN_OUT = ("DELETE", "/session")


def filled(path):
    for name in ("identity", "fqdn", "aor", "name", "step"):
        path = path.replace(f"{{{name}}}", "x@contoso.test")
    return path.replace("{number}", "1")


@pytest.mark.parametrize("query", ["", "?what_if=true", "?what_if=true&force=true"])
def test_a_viewer_may_get_and_nothing_else(call, query):
    viewer, tried = call("viewer"), 0
    for method, path in ROUTES:
        if method == "GET" or (method, path) in (*OPEN, SIGN_OUT):
            continue
        for body in ({"content": b"{"}, {"json": {"sip_address": "x"}}, {}):
            answer = viewer.request(method, filled(path) + query, **body)
            assert answer.status_code == 403, (method, path, answer.text)
            assert "has the role viewer" in answer.json()["detail"]
            tried += 1
    assert tried > 60


def test_nobody_may_do_anything_without_saying_who(url):
    with caller(url) as stranger:
        for method, path in ROUTES:
            if (method, path) in OPEN:
                continue
            answer = stranger.request(method, filled(path), content=b"{")
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"] == "Bearer"


def test_an_operator_does_nothing_of_an_admin(call, url):
    document = call("viewer").get("/openapi.json").json()
    operator, tried = call("operator"), 0
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if operation["x-waypost-role"] == "admin":
                short = filled(path.removeprefix("/api/v1"))
                answer = operator.request(method.upper(), short)
                assert answer.status_code == 403, (method, path)
                tried += 1
    assert tried >= 8


def test_every_route_names_a_role_that_there_is(admin):
    document = admin.get("/openapi.json").json()
    for item in document["paths"].values():
        for operation in item.values():
            assert operation["x-waypost-role"] in (*ROLES, "open")
    paths = {path.removeprefix("/api/v1") for path in document["paths"]}
    assert {path for _, path in ROUTES} == paths


def test_a_revoked_token_is_refused_at_once(call, config_file):
    operator = call("operator", name="ci")
    assert operator.get("/endpoints").status_code == 200
    in_store(config_file, lambda op: tokens.revoke_token(op, "ci"))
    answer = operator.get("/endpoints")
    assert answer.status_code == 401
    assert "revoked" in answer.json()["detail"]


def test_a_token_ends_with_its_time(call, console):
    operator = call("operator", days=1)
    assert operator.get("/endpoints").status_code == 200
    real = console.desk.clock
    console.desk.clock = lambda: real() + 86_401
    answer = operator.get("/endpoints")
    assert answer.status_code == 401
    assert "has ended" in answer.json()["detail"]


def test_a_last_use_is_noted(call, admin):
    call("viewer", name="mon").get("/endpoints")
    (row,) = [x for x in admin.get("/tokens").json() if x["name"] == "mon"]
    assert row["used_from"] == "127.0.0.1"
    assert row["used_at"] is not None


def test_tokens_are_made_and_revoked_over_the_api(admin, url):
    body = {"name": "ps", "role": "operator", "domains": ["contoso.test"], "days": 2}
    assert "token" not in admin.post("/tokens?what_if=true", json=body).json()
    made = admin.post("/tokens", json=body)
    assert made.status_code == 201
    with caller(url, made.json()["token"]) as operator:
        assert operator.get("/session").json()["name"] == "ps"
        elsewhere = {"sip_address": "a@contoso.com", "pool_fqdn": "p.contoso.com"}
        refused = operator.post("/endpoints", json=elsewhere)
        assert refused.status_code == 403
        assert "is for contoso.test" in refused.json()["detail"]
        assert admin.delete("/tokens/ps").status_code == 200
        assert operator.get("/session").status_code == 401
    assert admin.post("/tokens", json={**body, "role": "root"}).status_code == 422
    assert admin.delete("/tokens/ps").status_code == 404


# -- people and sessions -------------------------------------------------------------


@pytest.fixture
def carla(config_file, url):
    """Somebody who has signed in."""
    make = people.new_person
    in_store(config_file, lambda op: make(op, "carla", "operator", PASSWORD))
    with caller(url) as made:
        answer = made.post("/session", json={"name": "carla", "password": PASSWORD})
        assert answer.status_code == 200
        made.headers["X-Test-Cookie"] = answer.headers["set-cookie"]
        made.headers[CSRF_HEADER] = answer.json()["csrf"]
        yield made


CHAT = {"sip_address": "sip:ocschat@contoso.test", "pool_fqdn": "pcpool.contoso.test"}


def test_a_person_signs_in_changes_and_signs_out(carla, config_file):
    cookie = carla.headers["X-Test-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert carla.post("/endpoints", json=CHAT).status_code == 201
    row, *_ = in_store(config_file, lambda operator: operator.store.history())
    assert (row.actor.name, row.actor.origin) == ("carla", "person from 127.0.0.1")
    kept = dict(carla.cookies)
    assert carla.delete("/session").status_code == 200
    carla.cookies.update(kept)
    answer = carla.get("/endpoints")
    assert answer.status_code == 401
    assert "sign in again" in answer.json()["detail"]


@pytest.mark.parametrize("shown", [None, "", "x", "wrong" * 10])
def test_a_change_without_the_sessions_second_secret_is_refused(carla, shown):
    del carla.headers[CSRF_HEADER]
    headers = {} if shown is None else {CSRF_HEADER: shown}
    for method, path in ROUTES:
        if method == "GET" or (method, path) in OPEN:
            continue
        answer = carla.request(method, filled(path), headers=headers, content=b"{}")
        assert answer.status_code == 403, (method, path)
        assert "csrf" in answer.json()["type"]
    assert carla.get("/endpoints").json() == []


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1"])
def test_a_page_of_somebody_else_changes_nothing(carla, url, origin):
    headers = {"Origin": origin}
    answer = carla.post("/endpoints", json=CHAT, headers=headers)
    assert answer.status_code == 403
    login = carla.post("/session", json={"name": "x", "password": "y"}, headers=headers)
    assert login.status_code == 403
    ours = carla.post("/endpoints", json=CHAT, headers={"Origin": url})
    assert ours.status_code == 201


def test_a_session_ends_when_it_is_idle_and_after_a_day(carla, console):
    real = console.desk.clock
    for minutes in range(0, 700, 25):
        console.desk.clock = lambda minutes=minutes: real() + minutes * 60
        assert carla.get("/endpoints").status_code == 200
    console.desk.clock = lambda: real() + 721 * 60
    assert carla.get("/endpoints").status_code == 401


def test_a_session_that_nobody_uses_is_over_after_half_an_hour(carla, console):
    real = console.desk.clock
    console.desk.clock = lambda: real() + 1801
    assert carla.get("/endpoints").status_code == 401


@pytest.mark.parametrize("change", ["password", "remove"])
def test_another_password_ends_the_sessions_of_the_old_one(carla, config_file, change):
    if change == "remove":
        in_store(config_file, lambda op: people.remove_person(op, "carla"))
    else:
        make = people.set_person
        other = "another long password"
        in_store(config_file, lambda op: make(op, "carla", password=other))
    assert carla.get("/endpoints").status_code == 401


def test_another_role_counts_at_once(carla, config_file):
    in_store(config_file, lambda op: people.set_person(op, "carla", role="viewer"))
    assert carla.get("/endpoints").status_code == 200
    assert carla.post("/endpoints", json=CHAT).status_code == 403


def test_a_token_signs_in_on_a_page(config_file, url, call):
    token = call("viewer", name="tv").headers["Authorization"].partition(" ")[2]
    with caller(url) as page:
        answer = page.post("/session", json={"token": token})
        assert answer.json()["name"] == "tv"
        assert token not in json.dumps(dict(answer.headers))
        assert page.get("/endpoints").status_code == 200
        in_store(config_file, lambda op: tokens.revoke_token(op, "tv"))
        assert page.get("/endpoints").status_code == 401


def test_guessing_passwords_gets_slower_and_then_stops(carla, url, console):
    now = [time.time()]  # noqa: TID251
    console.desk.clock = lambda: now[0]
    with caller(url) as stranger:

        def guess(password="wrong", name="carla"):
            body = {"name": name, "password": password}
            return stranger.post("/session", json=body)

        assert [guess().status_code for _ in range(6)] == [401] * 5 + [429]
        refused = guess(PASSWORD)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert guess(name="other").status_code == 429
        now[0] += 2
        assert guess().status_code == 401
        now[0] += 1
        assert guess(PASSWORD).status_code == 429
        now[0] += 300
        assert guess(PASSWORD).status_code == 200
        assert guess(PASSWORD).status_code == 200


def test_guessing_tokens_is_refused_and_a_right_one_goes_on(url, admin):
    with caller(url, "waypost_" + "x" * 43) as stranger:
        answers = [stranger.get("/endpoints").status_code for _ in range(8)]
    assert answers == [401] * 5 + [429] * 3
    assert admin.get("/endpoints").status_code == 200
