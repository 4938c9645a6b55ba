"""A legacy Group Chat client, as it behaves on the wire.

It does what the installed clients do and what makes a proxy stumble: no branch in the
Via of INVITE, ACK, INFO, UPDATE and BYE, the transport in lower case, one connection
for everything and several messages in one write, Record-Route echoed verbatim, its
`maddr` and ephemeral port in Contact, no ACK for a refused INVITE and no CANCEL.
Responses are matched by Call-ID and CSeq alone.  It is not a proxy test by itself:
`journey.py` plays the Group Chat start with it.
"""

import asyncio
import contextlib
import itertools
import ssl
import uuid
from dataclasses import dataclass, field

from proxy.journey.link import Address, DatagramSocket, Link, StreamLink
from proxy.journey.wire import (
    Header,
    Message,
    response,
    route_set,
    tag_of,
    uri_of,
)
from proxy.sip.host import bracketed, host_port

SDP = (
    "v=0\r\no=- 0 0 IN {family} {host}\r\ns=session\r\n"
    "c=IN {family} {host}\r\nt=0 0\r\nm=message {port} sip null\r\n"
)
REASONS = {200: "OK", 481: "Call/Transaction Does Not Exist", 487: "Request Terminated"}
# A UDP client repeats a request at these ages (RFC 3261 section 17.1.2.2, T1 500 ms).
RETRANSMIT_AFTER = (0.5, 1.5, 3.5)

_serials = itertools.count(1)


class ClientError(Exception):
    """No answer came, or the connection broke; the text says what was awaited."""


@dataclass(slots=True, eq=False)
class Dialog:
    """The client's side of a dialog (or of a call that may become one)."""

    uri: str
    call_id: str
    local: str
    remote: str
    remote_target: str
    cseq: int = 0
    route_set: list[str] = field(default_factory=list)
    session_expires: int = 0


class LegacyClient:
    """One signed-in user with one connection to the proxy."""

    def __init__(
        self,
        proxy: Address,
        *,
        transport: str = "tcp",
        user: str = "sip:alice@contoso.test",
        host: str = "127.0.0.31",
        timeout: float = 5.0,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
    ) -> None:
        self.proxy = proxy
        self.transport = transport
        self.user = user
        self.host = host
        self.timeout = timeout
        self.requests: list[Message] = []
        self.responses: list[Message] = []
        self._tls, self._server_name = tls, server_name
        self._arrived = asyncio.Event()
        self._waiting: dict[tuple[str, str], asyncio.Future[Message]] = {}
        self._dialogs: dict[str, Dialog] = {}
        self._socket: DatagramSocket | None = None
        self._link: Link | None = None
        self._epid = uuid.uuid4().hex[:10]

    async def connect(self) -> None:
        """Open the one connection (TCP, TLS) or socket (UDP).

        Raises OSError or TimeoutError as the network does.
        """
        loop = asyncio.get_running_loop()
        local = (self.host, 0)
        if self.transport == "udp":
            _, self._socket = await loop.create_datagram_endpoint(
                lambda: DatagramSocket(self._on_message), local_addr=local
            )
            self._link = self._socket.link(self.proxy)
            return
        async with asyncio.timeout(self.timeout):
            _, link = await loop.create_connection(
                lambda: StreamLink(
                    self._on_message, on_lost=self._on_lost, transport=self.transport
                ),
                *self.proxy,
                local_addr=local,
                ssl=self._tls if self.transport == "tls" else None,
                server_hostname=self._server_name if self.transport == "tls" else None,
            )
        self._link = link

    async def close(self) -> None:
        """Close at once, without reading what may still come."""
        if self._link is not None:
            self._link.close()
        if self._socket is not None:
            self._socket.close()
        await asyncio.sleep(0)

    @property
    def link(self) -> Link:
        """The open link; raises ClientError before `connect`."""
        if self._link is None:
            raise ClientError("not connected")
        return self._link

    # -- building requests ---------------------------------------------------

    def new_dialog(self, uri: str) -> Dialog:
        """A call to ``uri`` that is about to begin."""
        serial = next(_serials)
        dialog = Dialog(
            uri=uri,
            call_id=f"{uuid.uuid4().hex[:16]}{serial}",
            local=f"<{self.user}>;tag={serial}{uuid.uuid4().hex[:6]};epid={self._epid}",
            remote=f"<{uri}>",
            remote_target=uri,
        )
        self._dialogs[dialog.call_id] = dialog
        return dialog

    def compose(
        self,
        method: str,
        dialog: Dialog,
        *,
        headers: tuple[Header, ...] = (),
        body: bytes = b"",
        branch: bool = False,
        max_forwards: int = 70,
    ) -> Message:
        """The next request of a dialog; an ACK keeps the INVITE's CSeq."""
        if method != "ACK":
            dialog.cseq += 1
        host, port = self.link.local
        via = f"SIP/2.0/{self.transport} {host_port(host, port)}"
        if branch:
            via += f";branch=z9hG4bK{uuid.uuid4().hex[:12]}"
        fields: list[Header] = [
            ("Via", via),
            ("From", dialog.local),
            ("To", dialog.remote),
            ("Max-Forwards", str(max_forwards)),
            ("CSeq", f"{dialog.cseq} {method}"),
            ("User-Agent", "UCCAPI/3.5.6907.0 OC/3.5.6907.0"),
            ("Call-ID", dialog.call_id),
        ]
        fields += [("Route", value) for value in dialog.route_set]
        fields += [("Contact", self.contact), *headers]
        return Message(f"{method} {dialog.remote_target} SIP/2.0", fields, body)

    @property
    def contact(self) -> str:
        """The Contact of a client without a GRUU."""
        host, port = self.link.local
        return (
            f"<{self.user}:{port};maddr={bracketed(host)};transport={self.transport}>"
            ";proxy=replace"
        )

    def invite(self, dialog: Dialog) -> Message:
        """The INVITE of Group Chat: SDP with a message line, nothing of timers."""
        host, port = self.proxy
        family = "IP6" if ":" in host else "IP4"
        return self.compose(
            "INVITE",
            dialog,
            headers=(
                ("Supported", "ms-sender"),
                ("Allow", "INVITE, MESSAGE, INFO, UPDATE, OPTIONS, BYE, CANCEL, ACK"),
                ("Content-Type", "application/sdp"),
            ),
            body=SDP.format(family=family, host=host, port=port).encode(),
        )

    def info(self, dialog: Dialog, body: bytes) -> Message:
        """An INFO with an XCCOS body."""
        return self.compose(
            "INFO", dialog, headers=(("Content-Type", "text/plain"),), body=body
        )

    # -- sending and waiting -------------------------------------------------

    def send(self, *messages: Message) -> None:
        """Send messages in one write (TCP), or one datagram each (UDP)."""
        parts = [message.encode() for message in messages]
        if self.transport != "udp":
            parts = [b"".join(parts)]
        for part in parts:
            self.link.send(part)

    def expect(self, request: Message) -> None:
        """Be ready for the final response of a request before it is sent."""
        key = (request.call_id, request.get("CSeq"))
        self._waiting[key] = asyncio.get_running_loop().create_future()

    async def answer(self, request: Message) -> Message:
        """The final response to a request that was expected and sent.

        Over UDP the request is repeated while it waits.  Raises ClientError.
        """
        key = (request.call_id, request.get("CSeq"))
        final = self._waiting[key]
        repeats = RETRANSMIT_AFTER if self.transport == "udp" else ()
        elapsed = 0.0
        try:
            for age in (*(r for r in repeats if r < self.timeout), self.timeout):
                # Not wait_for(): before Python 3.12 it takes a cancellation for nothing
                # when the answer comes in the same turn of the loop.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(age - elapsed):
                        return await asyncio.shield(final)
                elapsed = age
                if age < self.timeout:
                    self.link.send(request.encode())
        finally:
            self._waiting.pop(key, None)
        raise ClientError(
            f"no final response to {request.method} in {self.timeout:g} s"
        )

    async def request(self, request: Message) -> Message:
        """Send one request and await its final response; raises ClientError."""
        self.expect(request)
        self.send(request)
        return await self.answer(request)

    async def call(self, uri: str) -> tuple[Dialog, Message]:
        """INVITE ``uri`` and, on a 200, send the ACK; the dialog and the answer."""
        dialog = self.new_dialog(uri)
        answer = await self.request(self.invite(dialog))
        if self.establish(dialog, answer):
            self.send(self.compose("ACK", dialog))
        return dialog, answer

    async def hang_up(self, dialog: Dialog) -> Message:
        """BYE, and its answer; the dialog is forgotten."""
        self._dialogs.pop(dialog.call_id, None)
        return await self.request(self.compose("BYE", dialog))

    def forget(self, dialog: Dialog) -> None:
        """From now on a request of this dialog is a stray one."""
        self._dialogs.pop(dialog.call_id, None)

    def establish(self, dialog: Dialog, answer: Message) -> bool:
        """Take target and route set out of the answer; False unless it is a 200.

        A 200 whose To URI is not the URI that was dialled is dropped in silence, as
        the client does: the result is False then too.
        """
        if answer.status != 200:
            return False
        if uri_of(answer.get("To")).lower() != dialog.uri.lower():
            return False
        dialog.remote = answer.get("To")
        dialog.route_set = list(reversed(route_set(answer)))
        dialog.remote_target = uri_of(answer.get("Contact", f"<{dialog.uri}>"))
        expires = answer.get("Session-Expires").split(";")[0]
        dialog.session_expires = int(expires) if expires.isdigit() else 0
        return True

    async def wait_request(self, method: str, containing: bytes = b"") -> Message:
        """The first request from the far side that fits; it stays in `requests`.

        Raises ClientError when none comes in time.
        """
        try:
            async with asyncio.timeout(self.timeout):
                while True:
                    for message in self.requests:
                        if message.method == method and containing in message.body:
                            return message
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            what = f" with {containing.decode()}" if containing else ""
            raise ClientError(
                f"no {method}{what} arrived in {self.timeout:g} s"
            ) from None

    # -- what arrives --------------------------------------------------------

    def _on_lost(self, link: Link) -> None:
        error = getattr(link, "error", "")
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ClientError(f"connection lost: {error}"))
                answer.exception()  # it may be that nobody waits for it yet

    def _on_message(self, link: Link, message: Message, raw: bytes) -> None:
        if message.is_request:
            self._on_request(link, message)
            return
        self.responses.append(message)
        if message.status < 200:
            return
        # A second final response is dropped, whatever it says.
        answer = self._waiting.get((message.call_id, message.get("CSeq")))
        if answer is not None and not answer.done():
            answer.set_result(message)

    def _on_request(self, link: Link, request: Message) -> None:
        self.requests.append(request)
        self._arrived.set()
        status = self._verdict(request)
        if status:
            reply = response(request, status, REASONS.get(status, "No"), "legacy")
            link.send(reply.encode())

    def _verdict(self, request: Message) -> int:
        """The status the client answers with; 0 where it stays silent."""
        method = request.method
        if method in ("ACK", "BENOTIFY"):
            return 0
        if method in ("NOTIFY", "MESSAGE", "OPTIONS"):
            return 200
        dialog = self._dialogs.get(request.call_id)
        if method == "INFO":
            caller = uri_of(request.get("From")).lower()
            if caller not in {d.uri.lower() for d in self._dialogs.values()}:
                return 0
            return 200 if dialog is not None else 487
        if method == "BYE":
            self._dialogs.pop(request.call_id, None)
            return 200 if dialog is not None else 481
        if dialog is None or tag_of(request.get("To")) != tag_of(dialog.local):
            return 481
        return 200
