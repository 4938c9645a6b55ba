"""The Group Chat start as a probe: all of the journey, and nothing said in a room.

INVITE alias → INFO `cmd:requri` → `rpl:requri` back → BYE → INVITE the URI that came
back → INFO `cmd:bjoin` → `rpl:bjoin` back → BYE.  Unlike the client it waits for each
answer, acknowledges a refusal (RFC 3261 section 17.1.1.3) and, when it breaks off,
takes back what it has begun: nothing is left behind at the pool.
"""

import contextlib
import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from proxy.journey.legacy_client import ClientError, Dialog, LegacyClient
from proxy.journey.link import Address
from proxy.journey.steps import BJOIN, REQURI, Step, Steps
from proxy.journey.wire import Header, Message, xccos

PROBE_STEPS: Final = (
    "connect",
    "INVITE",
    "requri",
    "rpl-requri",
    "BYE",
    "channel-INVITE",
    "bjoin",
    "rpl-bjoin",
    "channel-BYE",
)
"""The names of the steps, in their order; each is short enough for a label."""

_CODE: Final = re.compile(rb'<resp\b[^<>]*\bcode="(\d{1,5})"[^<>]*>([^<]{0,80})')


@dataclass(frozen=True, slots=True)
class Way:
    """How whoever shall answer is reached; ``host`` is our own end's address.

    ``server_name`` is whose certificate a TLS peer must show.  ``headers`` go into
    both INVITEs.  ``timeout`` is for each step, in seconds.
    """

    to: Address
    transport: str
    host: str
    tls: ssl.SSLContext | None = None
    server_name: str | None = None
    headers: tuple[Header, ...] = ()
    timeout: float = 5.0


async def probe(way: Way, alias: str, *, user: str, request_uri: str = "") -> "Probe":
    """Play it once as ``user``; ``steps`` and ``ok`` of the result tell all.

    ``alias`` goes into To, ``request_uri`` (else the same) into the first line.  It
    never raises, and ends at the first step that fails.
    """
    client = LegacyClient(
        way.to,
        transport=way.transport,
        user=user,
        host=way.host,
        timeout=way.timeout,
        tls=way.tls,
        server_name=way.server_name,
    )
    played = Probe(client, alias, request_uri or alias, way.headers)
    await played.play()
    return played


class Probe(Steps):
    """One probe; `probe` makes and plays it."""

    def __init__(
        self,
        client: LegacyClient,
        alias: str,
        request_uri: str,
        headers: Iterable[Header] = (),
    ) -> None:
        super().__init__(client)
        self.alias = alias
        self.request_uri = request_uri
        self._headers = list(headers)
        self._begun: tuple[Dialog, Message] | None = None
        self._open: Dialog | None = None

    async def _play(self) -> None:
        client = self.client
        await self._timed("connect", self._connect)
        lookup = client.new_dialog(self.alias)
        lookup.remote_target = self.request_uri
        await self._call("INVITE", lookup)
        await self._final("requri", client.info(lookup, xccos(REQURI)))
        self.channel_uri = await self._timed("rpl-requri", self._channel_uri)
        await self._hang_up("BYE", lookup)

        channel = client.new_dialog(self.channel_uri)
        await self._call("channel-INVITE", channel)
        await self._final("bjoin", client.info(channel, xccos(BJOIN)))
        await self._timed("rpl-bjoin", self._joined)
        await self._hang_up("channel-BYE", channel)

    async def _call(self, name: str, dialog: Dialog) -> None:
        """INVITE and ACK."""
        invite = self.client.invite(dialog)
        invite.headers += self._headers
        self._begun = dialog, invite
        try:
            await self._final(name, invite, dialog)
        finally:
            if self.steps[-1].status:
                self._begun = None
                self._acknowledge(dialog)
        self._open = dialog

    def _acknowledge(self, dialog: Dialog) -> None:
        """Any final response to an INVITE; one that was refused has a tag as well."""
        finals = (
            each
            for each in reversed(self.client.responses)
            if each.call_id == dialog.call_id and each.status >= 200
        )
        dialog.remote = next(finals).get("To", dialog.remote)
        with contextlib.suppress(ClientError, OSError):
            self.client.send(self.client.compose("ACK", dialog))

    async def _hang_up(self, name: str, dialog: Dialog) -> None:
        self._open = None
        await self._final(name, self.client.compose("BYE", dialog))
        self.client.forget(dialog)

    async def _joined(self) -> tuple[str, Message | None]:
        """A channel server that knows us or not: it answers, so it works."""
        message = await self.client.wait_request("INFO", b"rpl:bjoin")
        found = _CODE.search(message.body)
        if found is None:
            return "answered", message
        return b" ".join(found.groups()).decode("utf-8", "replace").strip(), message

    def _clean_up(self) -> None:
        """BYE for a dialog that stands, CANCEL for an INVITE that nobody answered."""
        with contextlib.suppress(ClientError, OSError):
            if self._open is not None:
                self.client.send(self.client.compose("BYE", self._open))
            if self._begun is not None:
                self.client.send(_cancel(self._begun[1]))


def _cancel(invite: Message) -> Message:
    """RFC 3261 section 9.1: what is the same as in the INVITE, and nothing else."""
    same = ("via", "max-forwards", "from", "to", "call-id", "route")
    headers = [(n, v) for n, v in invite.headers if n.lower() in same]
    number = invite.get("CSeq").split()[0]
    start = invite.start.replace("INVITE", "CANCEL", 1)
    return Message(start, [*headers, ("CSeq", f"{number} CANCEL")])


def failure(steps: Iterable[Step]) -> Step | None:
    """The step that broke; None when all arrived."""
    return next((step for step in steps if not step.ok), None)
