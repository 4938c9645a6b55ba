"""The Group Chat start of a legacy client, step by step.

INVITE alias → INFO `cmd:requri` → INFO `rpl:requri` back → BYE → INVITE the URI that
came back → INFO both ways → UPDATE → BYE.  Every step is a value, so that a test, the
lab's screen and a probe can all judge it.  The messages are `legacy_client.py`'s.
"""

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from proxy.lab.legacy_client import ClientError, Dialog, LegacyClient
from proxy.lab.wire import Message, xccos

STEPS = 12
REQURI = '<cmd id="cmd:requri" seqid="1"><data/></cmd>'
BJOIN = '<cmd id="cmd:bjoin" seqid="1"><data><chanid key="0" value="r1"/></data></cmd>'
CHAT = '<grpchat id="grpchat" seqid="1"><chat>{text}</chat></grpchat>'

_UIB = re.compile(rb'<uib\b[^<>]*\buri="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Step:
    """One step: did it arrive, which status (0: none), how long (ms), what happened.

    ``call_id`` and ``cseq`` name the request it was, for who wants to find it again.
    """

    name: str
    ok: bool
    status: int
    ms: float
    detail: str = ""
    call_id: str = ""
    cseq: str = ""


class Journey:
    """Plays the journey once; ``steps`` grows as it goes, and ends at a failure."""

    def __init__(
        self, client: LegacyClient, alias: str, *, text: str = "hello from 2007"
    ) -> None:
        self.client = client
        self.alias = alias
        self.text = text
        self.channel_uri = ""
        self.steps: list[Step] = []

    @property
    def ok(self) -> bool:
        """True when the journey went to its end and every step arrived."""
        return len(self.steps) == STEPS and all(step.ok for step in self.steps)

    async def play(self) -> list[Step]:
        """Connect, play, close; never raises, the last step tells what broke."""
        try:
            await self._play()
        except (ClientError, OSError, TimeoutError, ValueError):
            pass
        finally:
            await self.client.close()
        return self.steps

    async def _play(self) -> None:
        client = self.client
        await self._timed(f"connect over {client.transport}", self._connect)

        lookup = client.new_dialog(self.alias)
        await self._final(f"INVITE {self.alias}", client.invite(lookup), lookup)
        info = client.info(lookup, xccos(REQURI))
        await self._final("INFO cmd:requri", info, before=client.compose("ACK", lookup))
        self.channel_uri = await self._timed(
            "INFO rpl:requri comes back", self._channel_uri
        )

        channel = client.new_dialog(self.channel_uri)
        bye, invite = client.compose("BYE", lookup), client.invite(channel)
        # The lookup session stays known until here: its INFO had to be answered.
        client.forget(lookup)
        client.expect(invite)
        await self._final("BYE", bye, after=invite)
        await self._final(f"INVITE {self.channel_uri}", invite, channel, sent=True)

        info = client.info(channel, xccos(BJOIN))
        await self._final("INFO cmd:bjoin", info, before=client.compose("ACK", channel))
        await self._arrival("INFO rpl:bjoin comes back", b"rpl:bjoin")
        chat = client.info(channel, xccos(CHAT.format(text=self.text)))
        await self._final("INFO grpchat", chat)
        await self._arrival("INFO grpchat comes back", self.text.encode())
        await self._final("UPDATE", client.compose("UPDATE", channel))
        await self._final("BYE", client.compose("BYE", channel))
        client.forget(channel)

    async def _connect(self) -> tuple[str, Message | None]:
        await self.client.connect()
        host, port = self.client.link.local
        return f"{host}:{port}", None

    async def _channel_uri(self) -> tuple[str, Message | None]:
        message = await self.client.wait_request("INFO", b"rpl:requri")
        match = _UIB.search(message.body)
        if match is None:
            raise ClientError("rpl:requri carries no URI")
        return match.group(1).decode(), message

    async def _arrival(self, name: str, containing: bytes) -> None:
        async def arrive() -> tuple[str, Message | None]:
            return "answered 200", await self.client.wait_request("INFO", containing)

        await self._timed(name, arrive)

    async def _timed(
        self,
        name: str,
        action: Callable[[], Awaitable[tuple[str, Message | None]]],
    ) -> str:
        """Run an action that is no request of ours; its detail is the result."""
        started = time.perf_counter()
        try:
            detail, message = await action()
        except (ClientError, OSError, TimeoutError) as problem:
            self._note(name, False, 0, started, str(problem) or "timeout", None)
            raise ClientError(name) from problem
        self._note(name, True, 0, started, detail, message)
        return detail

    async def _final(
        self,
        name: str,
        request: Message,
        dialog: Dialog | None = None,
        *,
        before: Message | None = None,
        after: Message | None = None,
        sent: bool = False,
    ) -> None:
        """Send a request (with its neighbours in the same write), want a 200."""
        started = time.perf_counter()
        if not sent:
            self.client.expect(request)
            parts = [part for part in (before, request, after) if part is not None]
            self.client.send(*parts)
        try:
            final = await self.client.answer(request)
        except ClientError as problem:
            self._note(name, False, 0, started, str(problem), request)
            raise
        good = final.status == 200
        detail = final.start.split(" ", 1)[1]
        if good and dialog is not None and not self.client.establish(dialog, final):
            good, detail = False, f"To is not {dialog.uri}: {final.get('To')}"
        if not good and final.get("ms-diagnostics"):
            detail += f" ({final.get('ms-diagnostics')})"
        self._note(name, good, final.status, started, detail, request)
        if not good:
            raise ClientError(detail)

    def _note(
        self,
        name: str,
        ok: bool,
        status: int,
        started: float,
        detail: str,
        message: Message | None,
    ) -> None:
        self.steps.append(
            Step(
                name,
                ok,
                status,
                round((time.perf_counter() - started) * 1000, 2),
                detail,
                message.call_id if message is not None else "",
                message.get("CSeq") if message is not None else "",
            )
        )


async def play(client: LegacyClient, alias: str) -> list[Step]:
    """Play the whole journey with this client; see `Journey`."""
    return await Journey(client, alias).play()
