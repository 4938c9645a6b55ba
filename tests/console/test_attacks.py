"""What strangers try: names that are not ours, secrets in addresses, slow clients."""

import contextlib
import json
import logging
import socket
import time
from urllib.parse import urlsplit

import pytest
import structlog

from tests.support.console import caller
from tests.support.until import until


def address_of(url):
    parts = urlsplit(url)
    return parts.hostname, parts.port


def raw(url, data, seconds=5.0):
    """What comes back to bytes."""
    with socket.create_connection(address_of(url), timeout=seconds) as sock:
        sock.sendall(data)
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := sock.recv(65_536):
                found += chunk
        return found


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8443", "127.0.0.2", "10.0.0.1", "[::1]", "a b",
        "127.0.0.1.nip.io", "localhost.evil.example", "xproxy.contoso.test", "",
        "proxy.contoso.test.evil.example", "127.0.0.1@evil.example", "127.0.0.1:999999",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/api/v1/endpoints", "/api/v1/openapi.json", "/"])
def test_a_host_that_is_not_ours_is_refused_before_anything_else(url, host, path):
    with caller(url) as stranger:
        answer = stranger.get(f"{url}{path}", headers={"Host": host})
        assert answer.status_code in (421, 400)
        if answer.status_code == 400:
            assert host in ("a b", "")  # no Host header can look like this
        else:
            assert answer.json()["type"].endswith("misdirected-request")


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "PUT", "TRACE"])
def test_no_method_comes_past_a_host_that_is_not_ours(url, admin, method):
    headers = {"Host": "evil.example"}
    answer = admin.request(method, "/endpoints", headers=headers, content=b"{}")
    assert answer.status_code == 421


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "PROXY.contoso.test."])
def test_our_own_names_are_known_in_any_case(url, admin, name):
    host = f"{name}:{address_of(url)[1]}"
    assert admin.get("/endpoints", headers={"Host": host}).status_code == 200


def test_a_request_without_host_or_with_two_is_refused(url):
    assert b" 421 " in raw(url, b"GET / HTTP/1.0\r\n\r\n").split(b"\r\n")[0]
    two = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n"
    assert raw(url, two).split(b"\r\n")[0].split(b" ")[1] in (b"400", b"421")


@pytest.fixture
def lines():
    """What the console logs."""
    found = []

    def keep(logger, method, event):
        found.append(event.copy())
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[keep],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        cache_logger_on_first_use=False,
    )
    yield found
    structlog.configure(**before)


def test_a_token_in_the_address_is_refused_and_not_logged(admin, url, lines):
    token = admin.headers["Authorization"].partition(" ")[2]
    for path in (
        f"/endpoints?token={token}", f"/endpoints?access_token={token}",
        f"/endpoints?x={token}", "/endpoints?password=secret12345",
        f"/endpoints/{token}",
    ):  # fmt: skip
        with caller(url) as stranger:
            answer = stranger.get(path)
        assert answer.status_code == 400, path
        assert "Authorization" in answer.json()["detail"]
        assert token not in answer.text
    admin.get("/endpoints?filter=secret12345")
    # An answer may be here before its line.
    until(lambda: [x["event"] for x in lines].count("console.answered") >= 6)
    text = json.dumps(lines, default=str)
    assert token not in text
    assert "secret12345" not in text


def test_every_answer_has_the_headers_that_keep_browsers_in_bounds(admin, url):
    for answer in (
        admin.get("/endpoints"), admin.get("/nowhere"), admin.get(f"{url}/"),
        admin.get("/openapi.json"), admin.get("/x", headers={"Host": "evil.example"}),
    ):  # fmt: skip
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers


def test_a_page_of_somebody_else_may_not_read_either(admin):
    answer = admin.get("/endpoints", headers={"Origin": "https://evil.example"})
    assert not [x for x in answer.headers if x.startswith("access-control")]


def test_a_body_that_is_too_large_is_refused(admin, url):
    answer = admin.post("/import", content=b"x" * (8 * 1024 * 1024 + 1))
    assert answer.status_code == 413

    def chunks():
        for _ in range(9):
            yield b"x" * 1024 * 1024

    assert admin.post("/import", content=chunks()).status_code == 413


def test_a_head_that_does_not_end_loses_its_connection(console, url, admin):
    console.server.limits.head_patience = 0.3
    began = time.monotonic()
    assert raw(url, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ") == b""
    assert raw(url, b"") == b""
    assert time.monotonic() - began < 4
    assert admin.get("/endpoints").status_code == 200


def test_who_sends_a_header_now_and_then_is_slow_as_well(console, url):
    console.server.limits.head_patience = 0.5
    with socket.create_connection(address_of(url), timeout=5) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n")
        began = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - began < 4:
                sock.sendall(b"X-Slow: 1\r\n")
                time.sleep(0.05)
    assert time.monotonic() - began < 3


def test_a_body_that_does_not_end_is_given_up(url, admin, monkeypatch):
    monkeypatch.setattr("proxy.console.gate.BODY_PATIENCE", 0.3)
    token = admin.headers["Authorization"]
    head = (
        f"POST /api/v1/import HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {token}\r\n"
        "Content-Length: 100\r\n\r\nx"
    )
    answer = raw(url, head.encode())
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_one_address_does_not_keep_others_out(console, url, admin):
    limits = console.server.limits
    limits.per_source = 5
    with contextlib.ExitStack() as stack:
        socks = [
            stack.enter_context(socket.create_connection(address_of(url), timeout=5))
            for _ in range(12)
        ]
        gone = 0
        for sock in socks:
            sock.settimeout(0.3)
            try:
                gone += sock.recv(1) == b""
            except TimeoutError:
                pass
            except ConnectionResetError:
                gone += 1
        assert gone >= 12 - 5
        assert max(limits.by_source.values()) <= 5
    limits.per_source = 64
    assert admin.get("/endpoints").status_code == 200


def test_a_stranger_with_the_header_of_the_reverse_proxy_is_nobody(url):
    with caller(url) as stranger:
        headers = {"X-Remote-User": "admin", "X-Forwarded-For": "10.0.0.1"}
        assert stranger.get("/endpoints", headers=headers).status_code == 401
