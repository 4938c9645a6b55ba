"""A pool front end of the lab: lookup server and channel server in one.

It answers INVITE, SUBSCRIBE and everything else on UDP and TCP (TLS on its own port),
hands out the channel server's URI, sends requests of its own down a dialog, keeps
every message it saw, and misbehaves on demand (`Behaviour`).  It never refuses a URI:
whether a request should have come here is for the test to say.
"""

import asyncio
import contextlib
import ssl
import time
import uuid
from dataclasses import dataclass
from typing import Literal

from proxy.journey.link import Address, DatagramSocket, Link, StreamLink
from proxy.journey.wire import Message, address_of, response, tag_of
from proxy.lab import group_chat
from proxy.lab.server_dialog import ServerDialog
from proxy.sip.host import host_port

REASONS = {
    100: "Trying",
    180: "Ringing",
    200: "OK",
    404: "Not Found",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    486: "Busy Here",
    487: "Request Terminated",
    500: "Server Internal Error",
    503: "Service Unavailable",
}
# What the Subject of an INVITE may ask of a front end that serves, for the scenarios
# `cancel` and `pool_bye`.
RING = "please ring"
HANG_UP = "please hang up"
# A 2xx to INVITE over UDP is repeated at these ages until its ACK (RFC 3261 13.3.1.4).
REPEAT_2XX_AFTER = (0.5, 1.5, 3.5, 7.5)

Mode = Literal[
    "serve", "silent", "trying", "answer", "reset", "reset-on-accept", "half-close"
]


@dataclass(slots=True)
class Behaviour:
    """What a front end does with a request that is not in a dialog.

    ``serve`` answers as a pool does; ``silent`` accepts and says nothing; ``trying``
    sends 100 and no more; ``answer`` sends ``status``; ``reset`` sends RST when a
    request comes and ``reset-on-accept`` at once; ``half-close`` sends FIN and no
    answer.  ``delay`` (s) is waited before every final response, ``provisional`` are
    sent before it.  ``stall`` stops reading after that many requests (0: never).
    """

    mode: Mode = "serve"
    status: int = 503
    delay: float = 0.0
    provisional: tuple[int, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    session_expires: int = 1800
    stall: int = 0
    reuse_connection: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """A message that a front end received: when (monotonic s), how, and the bytes."""

    at: float
    transport: str
    peer: Address
    message: Message
    raw: bytes


# What was sent last in answer to a request, for its retransmissions.
_Sent = list[bytes]


class FrontEndServer:
    """One front end; `start` it, look at `seen`, `stop` it (then it refuses)."""

    def __init__(
        self,
        name: str = "fe1",
        host: str = "127.0.0.21",
        port: int = 0,
        *,
        domain: str = "contoso.test",
        behaviour: Behaviour | None = None,
        tls: ssl.SSLContext | None = None,
        tls_port: int = 0,
    ) -> None:
        self.name, self.host, self.port = name, host, port
        self.tls_port = tls_port
        self.behaviour = behaviour or Behaviour()
        self.channel_uri = f"sip:GC-1-PersistentChatService-1@{domain}"
        self.seen: list[Seen] = []
        self.dialogs: dict[str, ServerDialog] = {}
        self._tls = tls
        self._udp: DatagramSocket | None = None
        self._servers: list[asyncio.Server] = []
        self._links: set[Link] = set()
        self._sent: dict[tuple[str, str, str], _Sent] = {}
        self._aged: list[tuple[str, str, str]] = []
        self._waiting: dict[tuple[str, str], asyncio.Future[Message]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._invites: dict[str, tuple[asyncio.Task[None], Message, _Sent]] = {}

    async def start(self) -> None:
        """Listen on UDP and TCP with one port number (0: a free one), and TLS."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._accept, self.host, self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._servers = [server]
        _, self._udp = await loop.create_datagram_endpoint(
            lambda: DatagramSocket(self._on_message), local_addr=(self.host, self.port)
        )
        if self._tls is not None:
            secure = await loop.create_server(
                lambda: self._accept("tls"), self.host, self.tls_port, ssl=self._tls
            )
            self.tls_port = secure.sockets[0].getsockname()[1]
            self._servers.append(secure)

    async def stop(self, *, reset: bool = False) -> None:
        """Listen no more and close every connection (with RST when ``reset``)."""
        for task in list(self._tasks):
            task.cancel()
        for server in self._servers:
            server.close()
        for link in list(self._links):
            link.reset() if reset else link.close()
        if self._udp is not None:
            self._udp.close()
        self._servers = []
        await asyncio.sleep(0)

    def forget(self) -> None:
        """Drop what was seen, and what was answered before the last call of this.

        For a server that runs for hours; answers stay long enough for retransmissions.
        """
        self.seen.clear()
        for key in self._aged:
            self._sent.pop(key, None)
            self._invites.pop(key[0], None)
        self._aged = list(self._sent)

    # -- what it saw ---------------------------------------------------------

    def requests(self, method: str = "") -> list[Message]:
        """The requests it received, of one method or all, in their order."""
        return [
            seen.message
            for seen in self.seen
            if seen.message.is_request and method in ("", seen.message.method)
        ]

    async def wait_for(
        self, method: str, count: int = 1, timeout: float = 15.0
    ) -> list[Message]:
        """Wait until ``count`` requests of a method have come; raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while len(self.requests(method)) < count:
                await asyncio.sleep(0.005)
        return self.requests(method)

    # -- requests of its own -------------------------------------------------

    async def send_request(
        self,
        dialog: ServerDialog,
        method: str,
        body: bytes = b"",
        headers: tuple[tuple[str, str], ...] = (),
        timeout: float = 5.0,
    ) -> Message:
        """Send a request down a dialog and await the final response.

        Raises TimeoutError.  BENOTIFY and ACK are never answered: use `push`.
        """
        request = dialog.compose(method, body, headers)
        key = (request.call_id, request.get("CSeq"))
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[key] = answer
        link = await self._link_to(dialog)
        try:
            async with asyncio.timeout(timeout):
                link.send(request.encode())
                while link.transport == "udp":
                    done, _ = await asyncio.wait({answer}, timeout=0.5)
                    if done:
                        break
                    link.send(request.encode())
                return await answer
        finally:
            self._waiting.pop(key, None)

    async def push(
        self,
        dialog: ServerDialog,
        method: str,
        body: bytes = b"",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Send a request down a dialog and wait for nothing."""
        link = await self._link_to(dialog)
        link.send(dialog.compose(method, body, headers).encode())

    async def _link_to(self, dialog: ServerDialog) -> Link:
        """The way to the first Route (else the remote target), RFC 3261 12.2.1.1.

        A stream that is open to the proxy is used again, as a server with a mutual
        TLS connection does; `Behaviour.reuse_connection` False opens a new one.
        """
        link = dialog.link
        if link.transport == "udp":
            assert self._udp is not None
            return self._udp.link(address_of(dialog.next_hop))
        if link.is_open and self.behaviour.reuse_connection:
            return link
        loop = asyncio.get_running_loop()
        _, opened = await loop.create_connection(
            lambda: StreamLink(self._on_message, self._links.add, self._links.discard),
            *address_of(dialog.next_hop),
            local_addr=(self.host, 0),
        )
        dialog.link = opened
        return opened

    # -- what arrives --------------------------------------------------------

    def _accept(self, transport: str = "tcp") -> StreamLink:
        return StreamLink(
            self._on_message, self._on_open, self._links.discard, transport
        )

    def _on_open(self, link: Link) -> None:
        self._links.add(link)
        if self.behaviour.mode == "reset-on-accept":
            link.reset()

    def _on_message(self, link: Link, message: Message, raw: bytes) -> None:
        self.seen.append(
            Seen(time.monotonic(), link.transport, link.peer, message, raw)
        )
        stall = self.behaviour.stall
        if stall and len(self.requests()) >= stall:
            link.pause()
        if not message.is_request:
            answer = self._waiting.get((message.call_id, message.get("CSeq")))
            if message.status >= 200 and answer is not None and not answer.done():
                answer.set_result(message)
            return
        if message.method in ("ACK", "BENOTIFY"):
            dialog = self.dialogs.get(message.call_id)
            if dialog is not None:
                dialog.acknowledged.set()
            return
        key = (message.call_id, message.get("CSeq"), message.get("Via"))
        if key in self._sent:
            for data in self._sent[key]:
                link.send(data)
            return
        sent = self._sent[key] = []
        if message.method == "CANCEL":
            self._cancel(link, message, sent)
            return
        work = self._handle(link, message, sent)
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # else the loop keeps only a weak reference
        task.add_done_callback(self._tasks.discard)
        if message.method == "INVITE":
            self._invites[message.call_id] = (task, message, sent)

    def _cancel(self, link: Link, cancel: Message, sent: _Sent) -> None:
        """200 to the CANCEL; 487 to its INVITE while that has no final response."""
        self._reply(link, cancel, 200, sent)
        task, invite, answered = self._invites.pop(cancel.call_id, (None, None, []))
        if task is None or invite is None or cancel.call_id in self.dialogs:
            return
        task.cancel()
        self._reply(link, invite, 487, answered)

    async def _handle(self, link: Link, request: Message, sent: _Sent) -> None:
        behaviour = self.behaviour
        in_dialog = bool(tag_of(request.get("To")))
        mode = "serve" if in_dialog else behaviour.mode
        match mode:
            case "silent":
                return
            case "trying":
                self._reply(link, request, 100, sent)
                return
            case "reset" | "reset-on-accept":
                link.reset()
                return
            case "half-close":
                link.half_close()
                return
        for status in () if in_dialog else behaviour.provisional:
            self._reply(link, request, status, sent)
        if behaviour.delay:
            await asyncio.sleep(behaviour.delay)
        if mode == "answer":
            self._reply(link, request, behaviour.status, sent, behaviour.headers)
            return
        if not in_dialog and request.get("Subject") == RING:
            self._reply(link, request, 180, sent)
            return
        await self._serve(link, request, sent)

    async def _serve(self, link: Link, request: Message, sent: _Sent) -> None:
        """Answer as a pool does."""
        method = request.method
        dialog = self.dialogs.get(request.call_id)
        if method in ("INVITE", "SUBSCRIBE") and dialog is None:
            await self._begin(link, request, sent)
            return
        if tag_of(request.get("To")) and dialog is None:
            self._reply(link, request, 481, sent)
            return
        if method == "BYE":
            self.dialogs.pop(request.call_id, None)
        contact = (("Contact", self._contact(link)),) if method == "UPDATE" else ()
        self._reply(link, request, 200, sent, contact)
        if method == "INFO" and dialog is not None:
            dialog.link = link
            for body in group_chat.answers(request.body, self.channel_uri):
                with contextlib.suppress(TimeoutError, OSError):
                    await self.send_request(
                        dialog, "INFO", body, (("Content-Type", "text/plain"),)
                    )

    async def _begin(self, link: Link, request: Message, sent: _Sent) -> None:
        """Answer the request that makes a dialog, and what follows from it."""
        contact = self._contact(link)
        dialog = ServerDialog(request, link, contact, uuid.uuid4().hex[:10])
        self.dialogs[request.call_id] = dialog
        if request.method == "SUBSCRIBE":
            expires = request.get("Expires", "3600")
            self._reply(
                link, request, 200, sent, (("Contact", contact), ("Expires", expires))
            )
            event = ("Event", request.get("Event", "presence"))
            state = ("Subscription-State", f"active;expires={expires}")
            with contextlib.suppress(TimeoutError, OSError):
                await self.send_request(dialog, "NOTIFY", headers=(event, state))
            return
        self._reply(link, request, 200, sent, self._invite_headers(contact))
        for age in REPEAT_2XX_AFTER if link.transport == "udp" else ():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(dialog.acknowledged.wait(), age)
                break
            link.send(sent[-1])
        if request.get("Subject") == HANG_UP:
            await self._hang_up(dialog)

    async def _hang_up(self, dialog: ServerDialog) -> None:
        """INFO, then BYE, once the client's ACK is there."""
        await dialog.acknowledged.wait()
        with contextlib.suppress(TimeoutError, OSError):
            await self.send_request(dialog, "INFO")
            self.dialogs.pop(dialog.call_id, None)
            await self.send_request(dialog, "BYE")

    def _invite_headers(self, contact: str) -> tuple[tuple[str, str], ...]:
        seconds = self.behaviour.session_expires
        timer = (("Session-Expires", f"{seconds};refresher=uac"),) if seconds else ()
        return (("Contact", contact), *timer, *self.behaviour.headers)

    def _contact(self, link: Link) -> str:
        port = self.tls_port if link.transport == "tls" else self.port
        place = host_port(self.host, port)
        return f"<sip:{self.name}@{place};transport={link.transport}>"

    def _reply(
        self,
        link: Link,
        request: Message,
        status: int,
        sent: _Sent,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        dialog = self.dialogs.get(request.call_id)
        tag = "" if status == 100 else dialog.tag if dialog else f"{self.name}tag"
        reply = response(request, status, REASONS.get(status, "Reply"), tag)
        reply.headers += headers
        data = reply.encode()
        sent[:] = [data]
        link.send(data)
