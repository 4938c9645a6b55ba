"""What stands before every route: Host, size and time of a request, and its log line.

Plain ASGI, so that nothing of a body is read before it.  It asks in this order: is the
request for us (421), is the URL too long (414), is there a secret in it (400), is the
body too large (413), and does it take too long (408).
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import structlog

from proxy import clock
from proxy.admin.access.tokens import PREFIX
from proxy.console.hosts import OwnHosts
from proxy.console.problems import Problem

log = structlog.get_logger()

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_LIMIT: Final = 8 * 1024 * 1024
BODY_PATIENCE: Final = 30.0
"""Seconds that a whole body may take, and that a reader may keep us from writing."""
URL_LIMIT: Final = 16 * 1024
# A token begins with ``tokens.PREFIX``, which is written out here.
_SECRET: Final = re.compile(
    rb"(?:^|&)(?:access_|auth_)?(?:token|password|secret)=|waypost_"
)
_TOKEN: Final = re.compile(r"waypost_[^/]*")
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' "
        b"data:; font-src 'self'; connect-src 'self'; form-action 'self'; "
        b"base-uri 'none'; frame-ancestors 'none'",
    ),
)
_CACHE: Final = (b"cache-control", b"no-store")


class Gate:
    """Lets through the requests that it does not refuse."""

    def __init__(self, app: App, hosts: OwnHosts, *, is_tls: bool) -> None:
        self._app = app
        self._hosts = hosts
        self._extra = list(_HEADERS)
        if is_tls:
            self._extra.append((b"strict-transport-security", b"max-age=31536000"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, answered = clock.boottime(), _Answer(send, self._extra)
        try:
            problem = self._refusal(scope)
            if problem is not None:
                await problem.response()(scope, receive, answered)
                return
            await self._app(scope, _Body(receive), answered)
        except Problem as late:
            # The body proved too large or too slow while a route was reading it.
            if not answered.status:
                await late.response()(scope, receive, answered)
        except TimeoutError:
            log.info("console.reader_gone")
        finally:
            _note(scope, answered.status, clock.boottime() - began)

    def _refusal(self, scope: Scope) -> Problem | None:
        headers = [value for name, value in scope["headers"] if name == b"host"]
        host = headers[0].decode("latin-1") if len(headers) == 1 else ""
        if not self._hosts.knows(host, (scope.get("server") or ("",))[0]):
            return Problem(
                421,
                "this is not the console of that name: ask by an address of "
                "this machine, or add the name to [console] origins",
            )
        query = scope["query_string"]
        if len(query) + len(scope["raw_path"]) > URL_LIMIT:
            return Problem(414, f"the address has more than {URL_LIMIT} bytes")
        if _SECRET.search(query) or PREFIX.encode() in scope["raw_path"]:
            return Problem(
                400,
                "a token or a password stands in the address, which logs and histories "
                "keep: revoke it, and send the new one in the header Authorization",
            )
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > BODY_LIMIT:
            return _too_large()
        return None


def _too_large() -> Problem:
    return Problem(413, f"the body has more than {BODY_LIMIT} bytes")


class _Body:
    """Receives a body of bounded size in bounded time."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._size = 0
        self._end = clock.boottime() + BODY_PATIENCE
        self._is_whole = False

    async def __call__(self) -> Message:
        if self._is_whole:
            return await self._receive()  # waits until the caller goes
        try:
            async with asyncio.timeout(max(0.0, self._end - clock.boottime())):
                message = await self._receive()
        except TimeoutError:
            text = f"the body took longer than {BODY_PATIENCE:g} seconds"
            raise Problem(408, text, headers={"Connection": "close"}) from None
        self._size += len(message.get("body", b""))
        if self._size > BODY_LIMIT:
            raise _too_large()
        self._is_whole = not message.get("more_body", False)
        return message


class _Answer:
    """Sends with our headers; gives up a reader that does not read."""

    def __init__(self, send: Send, extra: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._extra = extra
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = list(message.get("headers", ()))
            named = {name.lower() for name, _ in own}
            own += [each for each in self._extra if each[0] not in named]
            if _CACHE[0] not in named:
                own.append(_CACHE)
            message["headers"] = own
        async with asyncio.timeout(BODY_PATIENCE):
            await self._send(message)


def _note(scope: Scope, status: int, seconds: float) -> None:
    """Log one line for each request; no query and no header, which may hold secrets."""
    caller = scope.get("state", {}).get("caller")
    log.info(
        "console.answered",
        method=scope["method"],
        path=_TOKEN.sub(f"{PREFIX}***", scope["path"])[:200],
        status=status,
        ms=round(seconds * 1000, 1),
        source=caller.source if caller else (scope.get("client") or ("",))[0],
        who=caller.access.name if caller else "",
    )
