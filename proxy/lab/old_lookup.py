"""The old Lookup service of the lab: a front end that registers as the well-known user.

Each Lookup server of a legacy pool registers the same account, and its channel server
an address of its own; clients are led to them by these bindings.
"""

import itertools
import uuid

from proxy.journey.legacy_client import LegacyClient
from proxy.journey.link import Address
from proxy.journey.wire import Message
from proxy.lab.front_end import FrontEndServer
from proxy.sip.host import host_port

_serials = itertools.count(1)


class OldLookup:
    """One Lookup server with its channel server, registered at a proxy."""

    def __init__(self, front_end: FrontEndServer, proxy: Address, alias: str) -> None:
        self.front_end = front_end
        self.proxy = proxy
        self.alias = alias
        self._call_id = uuid.uuid4().hex

    async def register(self, expires: int = 3600) -> int:
        """Register both addresses; the status that the alias got.

        Raises ClientError when no answer comes.
        """
        status = (await self._register(self.alias, expires)).status
        await self._register(self.front_end.channel_uri, expires)
        return status

    async def sign_off(self) -> int:
        """Take both registrations back, as a service does that is stopped."""
        return await self.register(expires=0)

    async def _register(self, address: str, expires: int) -> Message:
        client = LegacyClient(
            self.proxy,
            transport="udp",
            user=address,
            host=self.front_end.host,
        )
        await client.connect()
        try:
            return await client.request(self._request(client, address, expires))
        finally:
            await client.close()

    def _request(self, client: LegacyClient, address: str, expires: int) -> Message:
        here = host_port(*client.link.local)
        domain = address.rpartition("@")[2]
        serial = next(_serials)
        place = host_port(self.front_end.host, self.front_end.port)
        contact = f"<sip:{place};transport=udp>"
        return Message(
            f"REGISTER sip:{domain} SIP/2.0",
            [
                ("Via", f"SIP/2.0/UDP {here};branch=z9hG4bK{uuid.uuid4().hex}"),
                ("Max-Forwards", "70"),
                ("From", f"<{address}>;tag={serial};epid=0a0b0c"),
                ("To", f"<{address}>"),
                ("Call-ID", f"{self._call_id}{address}"),
                ("CSeq", f"{serial} REGISTER"),
                ("Contact", contact),
                ("Expires", str(expires)),
                ("User-Agent", "GroupChat Lookup/3.5"),
            ],
        )
