"""One step after the other, each timed and judged: what every journey is made of.

Every step is a value, so that a test, the lab's screen, the doctor and a metric can
all judge it.  The messages are `legacy_client.py`'s.
"""

import re
import time
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from proxy.journey.legacy_client import ClientError, Dialog, LegacyClient
from proxy.journey.wire import Message
from proxy.sip.host import host_port

REQURI = '<cmd id="cmd:requri" seqid="1"><data/></cmd>'
BJOIN = '<cmd id="cmd:bjoin" seqid="1"><data><chanid key="0" value="r1"/></data></cmd>'

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


class Steps:
    """Plays steps once; ``steps`` grows as it goes, and ends at a failure."""

    def __init__(self, client: LegacyClient) -> None:
        self.client = client
        self.channel_uri = ""
        self.steps: list[Step] = []
        self.is_complete = False

    @property
    def ok(self) -> bool:
        """True when it went to its end and every step arrived."""
        return self.is_complete and all(step.ok for step in self.steps)

    async def play(self) -> list[Step]:
        """Connect, play, close; never raises, the last step tells what broke."""
        try:
            await self._play()
            self.is_complete = True
        except (ClientError, OSError, TimeoutError, ValueError):
            self._clean_up()
        finally:
            await self.client.close()
        return self.steps

    @abstractmethod
    async def _play(self) -> None:
        """All steps in order."""

    def _clean_up(self) -> None:
        """What is left to say after a failure; a legacy client says nothing."""

    async def _connect(self) -> tuple[str, Message | None]:
        await self.client.connect()
        return host_port(*self.client.link.local), None

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
