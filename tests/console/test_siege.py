"""The console as a process, besieged: every route there is, of API and pages.

Each test is one stranger's idea; ``test_attacks`` has the finer points of each.
"""

import contextlib
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from proxy.admin.access import people, tokens
from proxy.console.app import APIS
from proxy.console.pages.installed import PAGES
from proxy.console.pages.streams import EACH
from proxy.console.sessions import COOKIE, CSRF_HEADER
from proxy.console.web_server import HEAD_PATIENCE, PER_SOURCE
from tests.support.console import (
    NOTHING_TO_VERIFY,
    PASSWORD,
    in_store,
    new_token,
    write_config,
)

WAYPOST = str(Path(sys.executable).with_name("waypost"))
ROUTES = sorted(
    (method, prefix + route.path, (route.openapi_extra or {}).get("x-waypost-role"))
    for prefix, group in (
        ("/api/v1", [each.api if hasattr(each, "api") else each for each in APIS]),
        ("", PAGES),
    )
    for each in group
    for route in each.router.routes
    for method in route.methods
)
CHANGES = [
    (method, path)
    for method, path, role in ROUTES
    if method != "GET" and role not in ("open", "viewer")
]
"""What a viewer may not do."""


def filled(path):
    return path.replace("{number}", "1").translate({123: None, 125: None})


class Besieged:
    """A console that runs, and what it writes."""

    def __init__(self, path):
        self.path = path
        self.log = path.with_name("console.log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [WAYPOST, "--config", str(path), "console"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.url = self.process.stdout.readline().removeprefix("console at ").strip()
        parts = urlsplit(self.url)
        self.place = parts.hostname, parts.port

    def client(self, **headers):
        more = {"timeout": 20, "verify": NOTHING_TO_VERIFY}
        return httpx.Client(base_url=self.url, headers=headers, **more)

    def signed_in(self, client, **words):
        """The second secret of a session that has begun."""
        answer = client.post("/api/v1/session", json=words)
        assert answer.status_code == 200, answer.text
        return answer.json()["csrf"]

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=20)
        return self.log.read_text()


@pytest.fixture(scope="module")
def siege(tmp_path_factory):
    path = write_config(tmp_path_factory.mktemp("siege"))
    in_store(path, lambda op: people.new_person(op, "vera", "viewer", PASSWORD))
    in_store(path, lambda op: people.new_person(op, "otto", "operator", PASSWORD))
    besieged = Besieged(path)
    try:
        yield besieged
    finally:
        log = besieged.end()
        assert besieged.process.returncode == 0
        assert "Traceback" not in log


def test_the_routes_are_found():
    assert len(CHANGES) >= 30
    assert any(path.startswith("/api/v1/traces") for _, path, _ in ROUTES)
    assert any(path == "/now" for _, path, _ in ROUTES)


def test_a_viewer_who_has_signed_in_changes_nothing(siege):
    with siege.client() as vera:
        csrf = siege.signed_in(vera, name="vera", password=PASSWORD)
        for method, path in CHANGES:
            for body in ({"json": {}}, {"content": b"{"}, {"data": {"x": "y"}}):
                answer = vera.request(
                    method, filled(path), headers={CSRF_HEADER: csrf}, **body
                )
                assert answer.status_code == 403, (method, path, answer.text)
    history = in_store(siege.path, lambda op: op.store.history())
    assert {row.kind for row in history} <= {"person", "token"}


@pytest.mark.parametrize(
    "headers",
    [
        {}, {CSRF_HEADER: ""}, {CSRF_HEADER: "guessed"},
        {CSRF_HEADER: "RIGHT", "Origin": "https://evil.example"},
        {CSRF_HEADER: "RIGHT", "Origin": "null"},
    ],
)  # fmt: skip
def test_a_page_of_somebody_else_changes_nothing_with_our_cookie(siege, headers):
    with siege.client() as otto:
        csrf = siege.signed_in(otto, name="otto", password=PASSWORD)
        sent = {k: csrf if v == "RIGHT" else v for k, v in headers.items()}
        for method, path in CHANGES:
            answer = otto.request(method, filled(path), headers=sent, json={})
            assert answer.status_code == 403, (method, path, answer.text)


def test_a_name_that_is_not_ours_is_refused_before_anything_else(siege):
    token = new_token(siege.path, "admin", "rebound")
    headers = {"Host": "evil.example", "Authorization": f"Bearer {token}"}
    with siege.client(**headers) as stranger:
        for method, path, _ in ROUTES:
            answer = stranger.request(method, filled(path))
            assert answer.status_code == 421, (method, path)
        for path in ("/", "/static/x/desk.js", "/nowhere"):
            assert stranger.get(path).status_code == 421


def test_no_answer_can_be_framed_sniffed_or_kept(siege):
    with siege.client() as stranger:
        for method, path, role in ROUTES:
            if method != "GET" or role == "open":
                continue
            answer = stranger.get(filled(path))
            assert answer.status_code in (303, 401), path
            assert answer.headers["x-frame-options"] == "DENY"
            policy = answer.headers["content-security-policy"]
            assert "frame-ancestors 'none'" in policy and "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
            assert "access-control-allow-origin" not in answer.headers


ELSEWHERE = [
    *("//evil.example", "https://evil.example/now", "/\\evil.example", "\\\\evil"),
    *("/%2f/evil.example", "/now\r\nX-Evil: 1", "javascript:alert(1)", "/..//evil"),
    *("//127.0.0.1@evil.example", " https://evil.example", "/now//evil.example"),
]


@pytest.mark.parametrize("where", ELSEWHERE)
def test_nobody_is_led_elsewhere_by_signing_in(siege, where):
    with siege.client() as stranger:
        page = stranger.get("/sign-in", params={"next": where})
        assert page.status_code == 200
        assert "evil" not in page.text
        form = {"name": "vera", "password": PASSWORD, "next": where}
        answer = stranger.post("/sign-in", data=form)
        assert answer.status_code == 303
        assert "x-evil" not in answer.headers
        target = urljoin(siege.url, answer.headers["location"])
        assert target.startswith(f"{siege.url}/"), target
        led = stranger.get("/now", headers={"Accept": "text/html"})
        assert led.status_code == 200


def test_a_token_in_an_address_is_refused_and_in_no_log(siege):
    token = new_token(siege.path, "admin", "shown")
    with siege.client() as careless:
        for method, path, _ in ROUTES:
            for more in (f"?token={token}", f"?x={token}"):
                answer = careless.request(method, filled(path) + more)
                assert answer.status_code == 400, (method, path)
        assert careless.get(f"/{token}").status_code == 400
    log = siege.log.read_text()
    assert token not in log and token[12:30] not in log


def test_a_session_ends_with_its_person(siege):
    in_store(siege.path, lambda op: people.new_person(op, "gina", "operator", PASSWORD))
    token = new_token(siege.path, "viewer", "short")
    with siege.client() as gina, siege.client() as other:
        siege.signed_in(gina, name="gina", password=PASSWORD)
        siege.signed_in(other, token=token)
        assert gina.get("/api/v1/endpoints").status_code == 200
        assert other.get("/api/v1/endpoints").status_code == 200
        kept = gina.cookies.get(COOKIE)
        in_store(siege.path, lambda op: people.remove_person(op, "gina"))
        in_store(siege.path, lambda op: tokens.revoke_token(op, "short"))
        for client in (gina, other):
            assert client.get("/api/v1/endpoints").status_code == 401
            assert client.get("/now").status_code == 303
    with siege.client(Cookie=f"{COOKIE}={kept}") as thief:
        assert thief.get("/api/v1/endpoints").status_code == 401


def test_a_session_that_was_ended_is_over_for_who_kept_the_cookie(siege):
    with siege.client() as vera:
        csrf = siege.signed_in(vera, name="vera", password=PASSWORD)
        kept = vera.cookies.get(COOKIE)
        assert vera.delete("/api/v1/session", headers={CSRF_HEADER: csrf}).is_success
    with siege.client(Cookie=f"{COOKIE}={kept}") as thief:
        assert thief.get("/api/v1/endpoints").status_code == 401


def test_two_administrators_do_not_overwrite_one_another(siege):
    with siege.client() as anna, siege.client() as otto:
        for client, name in ((anna, "one"), (otto, "two")):
            token = new_token(siege.path, "operator", name)
            client.headers["Authorization"] = f"Bearer {token}"
        new = {"sip_address": "sip:chat@contoso.test", "pool_fqdn": "a.contoso.test"}
        assert anna.post("/api/v1/endpoints", json=new).status_code == 201
        path = "/api/v1/endpoints/chat@contoso.test"
        seen = [client.get(path).headers["etag"] for client in (anna, otto)]
        codes = [
            client.patch(
                path, json={"pool_fqdn": pool}, headers={"If-Match": tag}
            ).status_code
            for client, pool, tag in zip(
                (anna, otto), ("b.contoso.test", "c.contoso.test"), seen, strict=True
            )
        ]
        assert codes == [200, 412]
        assert otto.get(path).json()["pool_fqdn"] == "b.contoso.test"
        assert anna.delete(path).status_code == 200


def test_slow_clients_of_one_address_lose_their_places_and_hold_nobody_up(siege):
    with contextlib.ExitStack() as stack:
        held = []
        for _ in range(PER_SOURCE + 6):
            sock = stack.enter_context(socket.socket())
            sock.bind(("127.0.0.77", 0))
            sock.connect(siege.place)
            with contextlib.suppress(OSError):  # those beyond the limit
                sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
            held.append(sock)
        began = time.monotonic()
        with siege.client() as vera:
            siege.signed_in(vera, name="vera", password=PASSWORD)
            assert vera.get("/now").status_code == 200
        for sock in held:
            sock.settimeout(HEAD_PATIENCE + 20)
            with contextlib.suppress(OSError):
                assert sock.recv(1) == b""  # closed, and never answered
        assert time.monotonic() - began < HEAD_PATIENCE + 20
        with siege.client() as vera:
            assert vera.get("/sign-in").status_code == 200


def test_who_follows_and_never_reads_holds_nobody_up(siege):
    """Pages that stay open and are not read, as many as one may have and more."""
    with contextlib.ExitStack() as stack:
        slow = stack.enter_context(siege.client())
        siege.signed_in(slow, name="vera", password=PASSWORD)
        cookie = f"{COOKIE}={slow.cookies.get(COOKIE)}"
        head = (
            f"GET /now/events HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n"
        )
        held = []
        for _ in range(EACH + 4):
            sock = stack.enter_context(socket.create_connection(siege.place, 20))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            sock.sendall(head.encode())
            held.append(sock)
        said = []
        for sock in held:
            found = b""
            while b"retry: " not in found:
                found += sock.recv(1024)
            said.append(b"retry: 30000" in found)
        assert sum(said) == 4  # told to come back later
        otto = stack.enter_context(siege.client())
        siege.signed_in(otto, name="otto", password=PASSWORD)
        assert otto.get("/now").status_code == 200
        with otto.stream("GET", "/now/events") as events:
            assert b"event: alerts" in b"".join(_until_blank(events))


def _until_blank(events):
    """The bytes of a stream until its second event has begun."""
    for chunk in events.iter_raw():
        yield chunk
        if b"event: " in chunk:
            return


def test_guessing_is_slowed_down_on_the_page_as_in_the_api(siege):
    """From an address of its own, so that nobody else here has to wait."""
    from_elsewhere = httpx.HTTPTransport(local_address="127.0.0.78")
    with httpx.Client(
        base_url=siege.url, transport=from_elsewhere, timeout=20
    ) as thief:
        codes = []
        for number in range(12):  # on a slow machine a pause may be over by itself
            guess = {"name": "nobody", "password": f"guess {number}"}
            answer = thief.post("/sign-in", data=guess)
            codes.append(answer.status_code)
            if codes[-1] == 429:
                break
        assert codes[:5] == [401] * 5 and codes[-1] == 429, codes
        assert re.fullmatch(r"\d+", answer.headers["retry-after"])
        assert "Traceback" not in answer.text
        token = new_token(siege.path, "viewer", "right")
        shown = {"Authorization": f"Bearer {token}"}
        assert thief.get("/api/v1/endpoints", headers=shown).status_code == 200
