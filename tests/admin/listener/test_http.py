"""The admin listener on real sockets: pages, tokens, and callers that misbehave."""

import asyncio

import pytest

from proxy.admin.listener import http
from proxy.admin.listener.http import HttpListener, Page, Reply

TOKEN = "0123456789abcdef0123"


def fail():
    raise RuntimeError("a fault")


PAGES = {
    "/open": Page(lambda: Reply.text(200, "open"), is_open=True),
    "/shut": Page(lambda: Reply.json({"a": 1})),
    "/change": Page(lambda: Reply.text(202, "done"), "POST"),
    "/fault": Page(fail, is_open=True),
    "/words": Page(Reply.json, takes_query=True),
}


async def read_all(reader):
    """What came until the end; a reset is an end too."""
    try:
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        return b""


@pytest.fixture
async def ask():
    """``await ask("GET /open", ...)``: the status and the body of one request."""
    listeners = []

    async def request(line, *headers, token=TOKEN, trusts_local=True, raw=None):
        listener = HttpListener(PAGES, token, trusts_local=trusts_local)
        listeners.append(listener)
        host, port = await listener.open("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(host, port)
        lines = [f"{line} HTTP/1.1", "Host: x", *headers, "", ""]
        writer.write(raw or "\r\n".join(lines).encode())
        answer = await read_all(reader)
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return (int(head.split()[1]) if head else 0), body

    yield request
    for listener in listeners:
        await listener.close()


def bearer(token):
    return f"Authorization: Bearer {token}"


async def test_a_page_answers_with_its_reply(ask):
    assert await ask("GET /open") == (200, b"open\n")
    assert await ask("GET /shut?x=1") == (200, b'{\n  "a": 1\n}\n')


async def test_head_is_get_without_its_body(ask):
    assert await ask("HEAD /open") == (200, b"")


async def test_an_unknown_page_is_404_and_names_those_there_are(ask):
    status, body = await ask("GET /nothing")
    assert status == 404 and b"/open" in body


async def test_a_wrong_method_is_405(ask):
    assert (await ask("POST /open"))[0] == 405
    assert (await ask("GET /change", bearer(TOKEN)))[0] == 405


async def test_a_change_wants_the_token_even_on_loopback(ask):
    assert (await ask("POST /change"))[0] == 401
    assert (await ask("POST /change", bearer(TOKEN + "x")))[0] == 401
    assert (await ask("POST /change", f"Authorization: Basic {TOKEN}"))[0] == 401
    assert await ask("POST /change", bearer(TOKEN)) == (202, b"done\n")


async def test_where_local_callers_are_not_trusted_only_open_pages_need_no_token(ask):
    assert (await ask("GET /open", trusts_local=False))[0] == 200
    assert (await ask("GET /shut", trusts_local=False))[0] == 401
    assert (await ask("GET /shut", bearer(TOKEN), trusts_local=False))[0] == 200


async def test_an_empty_token_opens_nothing(ask):
    assert (await ask("POST /change", "Authorization: Bearer ", token=""))[0] == 401


async def test_a_fault_in_a_page_is_500_and_the_listener_goes_on(ask):
    assert (await ask("GET /fault"))[0] == 500
    assert (await ask("GET /open"))[0] == 200


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /open HTTP/2.0\r\n\r\n", 400),
        (b"GET  /open HTTP/1.1\r\n\r\n", 400),
        (b"GET http://x/open HTTP/1.1\r\n\r\n", 400),
        (b"GET /open HTTP/1.1\r\nA\x01: b\r\n\r\n", 400),
        (b"GET /open HTTP/1.1\r\nA : b\r\n\r\n", 400),
        (b"GET /open HTTP/1.1\r\n folded\r\n\r\n", 400),
        (b"POST /change HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 413),
        (b"POST /change HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 413),
        (b"GET /open HTTP/1.1\r\nA: " + b"b" * 9000 + b"\r\n\r\n", 431),
    ],
)
async def test_what_is_no_plain_request_is_refused(ask, raw, status):
    assert (await ask("", raw=raw))[0] == status


async def test_a_caller_that_says_nothing_is_given_up(ask, monkeypatch):
    monkeypatch.setattr(http, "PATIENCE", 0.1)
    assert await ask("", raw=b"GET /open HTTP/1.1\r\n") == (0, b"")


async def test_too_many_callers_at_once_are_turned_away(monkeypatch):
    monkeypatch.setattr(http, "CONNECTIONS", 1)
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow():
        asked.set()
        await go_on.wait()
        return Reply.text(200, "at last")

    pages = {**PAGES, "/slow": Page(slow, is_open=True)}
    listener = HttpListener(pages, TOKEN, trusts_local=True)
    host, port = await listener.open("127.0.0.1", 0)
    first, busy = await asyncio.open_connection(host, port)
    busy.write(b"GET /slow HTTP/1.1\r\n\r\n")
    await asyncio.wait_for(asked.wait(), 5)
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /open HTTP/1.1\r\n\r\n")
    assert await read_all(reader) == b""
    go_on.set()
    assert await asyncio.wait_for(first.readuntil(b"at last\n"), 5)
    for each in (busy, writer):
        each.close()
    await listener.close()


@pytest.mark.parametrize("said", [b"", b"GET /open HT", b"GET /open HTTP/1.1\r\n\r\n"])
async def test_who_says_nothing_keeps_nobody_out(said):
    """Nor who has had its answer and stays; the probes of an orchestrator get in."""
    listener = HttpListener(PAGES, TOKEN, trusts_local=True)
    host, port = await listener.open("127.0.0.1", 0)
    held = [await asyncio.open_connection(host, port) for _ in range(http.CONNECTIONS)]
    for _, writer in held:
        writer.write(said)
    await asyncio.sleep(0.1)
    for _ in range(3):
        reader, writer = await asyncio.open_connection(host, port)
        held.append((reader, writer))
        writer.write(b"GET /open HTTP/1.1\r\n\r\n")
        assert await asyncio.wait_for(reader.readuntil(b"open\n"), 5)
    for _, writer in held:
        writer.close()
    await listener.close()


async def test_a_stop_beside_a_waiting_caller_leaves_no_cancelled_task(ask):
    """asyncio of some Python versions prints a traceback for each of those."""
    listener = HttpListener(PAGES, TOKEN, trusts_local=True)
    host, port = await listener.open("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /open HTTP/1.1\r\n\r\n")
    while not await reader.read(999):
        pass
    (serving,) = listener._busy
    await listener.close()
    assert serving.done() and not serving.cancelled()
    writer.close()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8060", 200),
        ("[::1]:8060", 200),
        ("::1", 200),
        ("localhost", 200),
        ("proxy:8060", 200),
        ("", 200),
        ("waypost.contoso.test:8060", 200),
        ("CONTOSO.TEST.", 200),
        ("evil.example", 421),
        ("evil.example:8060", 421),
        ("127.0.0.1.evil.example", 421),
        ("notcontoso.test", 421),
        ("contoso.test.evil.example", 421),
        ("1.2.3", 421),
    ],
)
@pytest.mark.parametrize("page", ["/open", "/shut"])
async def test_a_page_under_a_strangers_name_reads_nothing(page, host, status):
    """A browser sends that name in Host after its address has become ours."""
    listener = HttpListener(PAGES, TOKEN, trusts_local=True, domains={"contoso.test"})
    address, port = await listener.open("127.0.0.1", 0)
    try:
        for shown, expected in ((None, status), (TOKEN, 200)):
            reader, writer = await asyncio.open_connection(address, port)
            lines = [f"GET {page} HTTP/1.1", f"Host: {host}"]
            lines += [bearer(shown)] if shown else []
            writer.write("\r\n".join([*lines, "", ""]).encode())
            answer = await read_all(reader)
            writer.close()
            assert int(answer.split()[1]) == expected
    finally:
        await listener.close()


@pytest.mark.parametrize(
    "lines",
    [
        ("Host: 127.0.0.1", "Host: evil.example"),
        ("Content-Length: 5", "Content-Length: 0"),
        ("Authorization: Bearer x", f"Authorization: Bearer {TOKEN}"),
        ("A: b\0",),
        ("A: b\rC: d",),
        ("A: b\nC: d",),
    ],
)
async def test_what_two_readers_may_read_in_two_ways_is_refused(ask, lines):
    head = "\r\n".join(["GET /open HTTP/1.1", *lines, "", ""]).encode()
    assert (await ask("", raw=head))[0] == 400


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GET /words?uri=sip%3Aa%40b&from=", (200, b'{"uri": "sip:a@b", "from": ""}')),
        ("GET /words", (200, b"{}")),
        ("GET /words?a=1&a=2", (400, b"")),
        ("GET /words?a=%ff", (400, b"")),
        ("GET /words?" + "&".join(f"a{n}=1" for n in range(40)), (400, b"")),
        ("GET /shut?a=1", (200, b"")),
    ],
)
async def test_a_page_that_takes_query_gets_each_once(ask, line, expected):
    status, body = await ask(line)
    assert status == expected[0]
    assert expected[1] in b" ".join(body.split()).replace(b"{ ", b"{").replace(
        b" }", b"}"
    )
