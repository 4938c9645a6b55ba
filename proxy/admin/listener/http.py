"""A small HTTP/1.1 listener for operators' tools: health, metrics, status, drain.

Strict and bounded on purpose: one request per connection, no body, 8 KiB, 5 s.  It is
no web framework (decision 37).  Handlers are functions that must not block, or
coroutines; they run in the proxy's own loop.
"""

import asyncio
import hmac
import json
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import parse_qsl

import structlog

log = structlog.get_logger()

REQUEST_LIMIT: Final = 8 * 1024
PATIENCE: Final = 5.0  # seconds from accept to the last byte of the answer
CONNECTIONS: Final = 32
_REQUEST_LINE: Final = re.compile(rb"([A-Z]{1,10}) (/[!-~]{0,6000}) HTTP/1\.[01]\Z")
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++\Z")
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*+\Z")
_ONCE: Final = frozenset({b"host", b"authorization", b"content-length"})
_MISDIRECTED: Final = (
    "Host is no address and no name of ours: call this listener by its address, or "
    "write the name into hosts = [...] in [admin], or show the token"
)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"

    @classmethod
    def text(cls, status: int, line: str) -> "Reply":
        """A line of text."""
        return cls(status, line.encode() + b"\n")

    @classmethod
    def json(cls, value: Any, status: int = 200) -> "Reply":
        """A JSON document."""
        body = json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n"
        return cls(status, body, "application/json")


@dataclass(frozen=True, slots=True)
class Page:
    """What answers one path; ``is_open`` pages need no token on any address.

    ``is_private`` pages need it on every address: they tell who called whom.  With
    ``takes_query`` the handler gets what stands behind the question mark, each name
    once.
    """

    handler: Callable[..., Reply | Awaitable[Reply]]
    method: str = "GET"
    is_open: bool = False
    is_private: bool = False
    takes_query: bool = False


class HttpError(Exception):
    """A request that is answered with an error status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    query: str
    headers: dict[bytes, bytes]


class HttpListener:
    """Serves ``pages`` by path.

    A caller with ``token`` may do everything.  Without it a caller gets only open
    pages, and, when ``trusts_local`` (a loopback address and no token in the
    configuration), every GET page that is not private.  It must then call us by an
    address or a name that a stranger's name server cannot hand out (``domains``: our
    own).
    """

    def __init__(
        self,
        pages: Mapping[str, Page],
        token: str,
        *,
        trusts_local: bool,
        domains: Collection[str] = (),
    ) -> None:
        self._domains = domains
        self._pages = pages
        self._token = token.encode()
        self._trusts_local = trusts_local
        self._server: asyncio.Server | None = None
        self._busy: set[asyncio.Task[Any]] = set()
        self._silent: dict[asyncio.Task[Any], None] = {}  # oldest first

    @property
    def has_token(self) -> bool:
        """Whether there is a token at all."""
        return bool(self._token)

    def show(self, pages: Mapping[str, Page]) -> None:
        """Serve these from now on."""
        self._pages = pages

    async def open(self, host: str, port: int) -> tuple[str, int]:
        """Listen; returns the address bound.  Raises OSError."""
        self._server = await asyncio.start_server(
            self._serve, host, port, limit=REQUEST_LIMIT, backlog=CONNECTIONS
        )
        name = self._server.sockets[0].getsockname()
        return name[0], name[1]

    async def close(self) -> None:
        """Stop listening; give up what is under way."""
        if self._server is not None:
            self._server.close()
        for task in list(self._busy):
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._busy) >= CONNECTIONS and not self._make_room():
            writer.transport.abort()
            return
        self._busy.add(task)
        self._silent[task] = None
        try:
            async with asyncio.timeout(PATIENCE):
                await self._exchange(reader, writer, task)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # a caller that is slow or gone
        except asyncio.CancelledError:
            # Our own ``close``.  Some versions of asyncio print a traceback for a
            # connection whose task ends as cancelled.
            pass
        finally:
            self._busy.discard(task)
            self._silent.pop(task, None)
            # After a clean end there is nothing left to lose.
            writer.transport.abort()

    def _make_room(self) -> bool:
        """The oldest that has sent no request yet, or has its answer, gives way: silent
        connections must not keep the probes out."""
        for task in self._silent:
            del self._silent[task]
            task.cancel()
            return True
        return False

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        task: asyncio.Task[Any],
    ) -> None:
        is_head = False
        try:
            head = await _read_head(reader)
            self._silent.pop(task, None)
            request = _parse(head)
            is_head = request.method == "HEAD"
            found = self._answer(request)
            reply = found if isinstance(found, Reply) else await found
        except HttpError as error:
            reply = Reply.text(error.status, str(error))
        except (OSError, asyncio.IncompleteReadError):
            raise  # the caller is gone: nothing of ours has failed
        except Exception:
            log.exception("admin.failed")
            reply = Reply.text(500, "a fault of ours; it is in the log")
        writer.write(_encode(reply, is_head))
        self._silent[task] = None
        await writer.drain()
        writer.write_eof()
        await reader.read(REQUEST_LIMIT)  # until the caller has closed

    def _answer(self, request: _Request) -> Reply | Awaitable[Reply]:
        page = self._pages.get(request.path)
        if page is None:
            raise HttpError(404, f"there are {' '.join(self._pages)}")
        method = "GET" if request.method == "HEAD" else request.method
        if method != page.method:
            raise HttpError(405, f"{request.path} wants {page.method}")
        is_local = self._trusts_local and page.method == "GET" and not page.is_private
        if not self._is_authorized(request):
            if not _is_ours(_host_of(request), self._domains):
                raise HttpError(421, _MISDIRECTED)
            if not (page.is_open or is_local):
                raise HttpError(401, "show the token: Authorization: Bearer ...")
        return page.handler(_query(request)) if page.takes_query else page.handler()

    def _is_authorized(self, request: _Request) -> bool:
        scheme, _, shown = request.headers.get(b"authorization", b"").partition(b" ")
        is_same = hmac.compare_digest(shown.strip(), self._token)
        return is_same and scheme.lower() == b"bearer" and bool(self._token)


def _query(request: _Request) -> dict[str, str]:
    """What follows ``?``; raises HttpError where it cannot be read."""
    try:
        pairs = parse_qsl(
            request.query, keep_blank_values=True, errors="strict", max_num_fields=32
        )
    except ValueError:
        raise HttpError(400, "what follows ? cannot be read") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise HttpError(400, "a name stands twice after ?")
    return found


def _host_of(request: _Request) -> str:
    """The name in Host, without port and final dot; empty without one."""
    host = request.headers.get(b"host", b"").decode("latin-1").lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].removesuffix(".")


def _is_ours(host: str, domains: Collection[str]) -> bool:
    """Whether no stranger's name can stand behind ``host``.

    The name of a page in a browser may get our address while the page is shown (DNS
    rebinding).  Then its scripts read what we trust local callers with, and only Host
    tells.  A browser always sends one.  A name without a dot comes from the hosts file,
    a search domain or a container network.
    """
    if not host or ("." not in host and ":" not in host):
        return True
    try:
        ip_address(host)
    except ValueError:
        return any(host == name or host.endswith(f".{name}") for name in domains)
    return True


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise HttpError(431, f"more than {REQUEST_LIMIT} bytes") from None


def _parse(head: bytes) -> _Request:
    """Read a request without a body; raises HttpError."""
    first, *lines = head[:-4].split(b"\r\n")
    line = _REQUEST_LINE.match(first)
    if line is None:
        raise HttpError(400, "not an HTTP/1.1 request")
    headers: dict[bytes, bytes] = {}
    for each in lines:
        name, colon, value = each.partition(b":")
        if not colon or not _NAME.match(name) or not _VALUE.match(value):
            raise HttpError(400, "not a header line")
        if name.lower() in headers and name.lower() in _ONCE:
            raise HttpError(400, f"two {name.decode('ascii')} headers")
        headers[name.lower()] = value.strip(b" \t")
    if headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers:
        raise HttpError(413, "no body is wanted")
    path, _, query = line[2].decode("ascii").partition("?")
    return _Request(line[1].decode("ascii"), path, query, headers)


def _encode(reply: Reply, is_head: bool) -> bytes:
    status = HTTPStatus(reply.status)
    challenge = "WWW-Authenticate: Bearer\r\n" if status == 401 else ""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Content-Type: {reply.content_type}\r\n"
        f"Content-Length: {len(reply.body)}\r\n{challenge}"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + (b"" if is_head else reply.body)
