"""The Group Chat start of a legacy client, step by step.

INVITE alias → INFO `cmd:requri` → INFO `rpl:requri` back → BYE → INVITE the URI that
came back → INFO both ways → UPDATE → BYE.
"""

from proxy.journey.legacy_client import LegacyClient
from proxy.journey.steps import BJOIN, REQURI, Step, Steps
from proxy.journey.wire import xccos

CHAT = '<grpchat id="grpchat" seqid="1"><chat>{text}</chat></grpchat>'


class Journey(Steps):
    """Plays the journey once, as the client does it: messages share a write."""

    def __init__(
        self, client: LegacyClient, alias: str, *, text: str = "hello from 2007"
    ) -> None:
        super().__init__(client)
        self.alias = alias
        self.text = text

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


async def play(client: LegacyClient, alias: str) -> list[Step]:
    """Play the whole journey with this client; see `Journey`."""
    return await Journey(client, alias).play()
