"""The front end's side of a dialog (RFC 3261 section 12.1.1).

The route set of a UAS is the Record-Route of the request in the order of the message;
no transaction and no socket is known here.
"""

import asyncio
import uuid

from proxy.journey.link import Link
from proxy.journey.wire import Header, Message, route_set, tag_of, uri_of
from proxy.sip.host import host_port


class ServerDialog:
    """What is needed to send requests towards the client."""

    def __init__(self, request: Message, link: Link, contact: str, tag: str) -> None:
        self.call_id = request.call_id
        self.uri = request.uri
        to = request.get("To")
        self.tag = tag_of(to) or tag
        self.local = to if tag_of(to) else f"{to};tag={tag}"
        self.remote = request.get("From")
        self.remote_target = uri_of(request.get("Contact") or request.get("From"))
        self.route_set = route_set(request)
        self.contact = contact
        self.link = link
        self.cseq = 0
        self.acknowledged = asyncio.Event()

    @property
    def next_hop(self) -> str:
        """The URI that the next request goes to: first Route, else the target."""
        return uri_of(self.route_set[0]) if self.route_set else self.remote_target

    def compose(
        self, method: str, body: bytes = b"", headers: tuple[Header, ...] = ()
    ) -> Message:
        """The next request of this dialog."""
        self.cseq += 1
        host, port = self.link.local
        transport = self.link.transport.upper()
        branch = f"z9hG4bK{uuid.uuid4().hex[:16]}"
        fields: list[Header] = [
            ("Via", f"SIP/2.0/{transport} {host_port(host, port)};branch={branch}"),
            ("Max-Forwards", "70"),
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self.cseq} {method}"),
            ("Contact", self.contact),
        ]
        fields += [("Route", value) for value in self.route_set]
        fields += headers
        return Message(f"{method} {self.remote_target} SIP/2.0", fields, body)
