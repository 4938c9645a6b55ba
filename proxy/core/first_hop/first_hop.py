"""First-hop mode: we are what a legacy client connects to, and do the first hop's work.

Per listener (``first_hop``).  ``proxy=replace`` is ``contacts.py``, one front end for
each client ``affinity.py``; here is what else a front end does for its clients:
the keep-alive ([MS-CONMGMT] section 2.2.1) is agreed with us and not with the front
end behind us, and a redirection to a home server leads back to us.  Nothing that
[MS-SIPAE] signs is touched.
"""

import re
from typing import Final

from proxy.core.first_hop.affinity import Affinity
from proxy.core.first_hop.contact_token import asks_for_replacement, replace_contacts
from proxy.core.routing.secure import is_sips
from proxy.core.tokens import TokenBox
from proxy.core.validation import has_more_values
from proxy.pools.front_end import Lookup
from proxy.sip.errors import MalformedMessage
from proxy.sip.fields import parse_name_addr
from proxy.sip.flow import Flow, FlowTable, Listener
from proxy.sip.grammar import logical_lines, split_values
from proxy.sip.message import Request, Response, parse_message
from proxy.sip.names import canonical_name
from proxy.sip.uri import parse_uri

# The client sends CRLFCRLF over its connection so often, in seconds, and neither a NAT
# nor our own idle limit ends it.
KEEP_ALIVE: Final = b"ms-keep-alive: UAS; tcp=no; hop-hop=yes; end-end=no; timeout=300"
_NAME: Final = "ms-keep-alive"
_ASKS: Final = re.compile(rb";[ \t\r\n]*proxy[ \t\r\n]*=", re.IGNORECASE)


def asks_for_keep_alive(request: Request, flow: Flow) -> bool:
    """True for a client on a connection of its own that asks to be kept alive."""
    return (
        flow.reliable
        and _NAME in request.index
        and not has_more_values(request, "via", 1)
        and (request.value("ms-keep-alive") or b"").upper().startswith(b"UAC")
    )


def without_keep_alive(lines: list[bytes]) -> list[bytes]:
    """The lines without ``ms-keep-alive``: it is of one hop only.

    The body, which may be the last of them, stays whatever it looks like.
    """
    end = lines.index(b"") if b"" in lines else len(lines)
    kept = [
        line for line in lines[:end] if canonical_name(line.partition(b":")[0]) != _NAME
    ]
    return kept + lines[end:]


def with_keep_alive(data: bytes) -> bytes:
    """The response with our offer, and nobody else's ("at most once")."""
    head, end, body = data.partition(b"\r\n\r\n")
    lines = without_keep_alive(logical_lines(head))
    return b"\r\n".join((*lines, KEEP_ALIVE)) + end + body


class FirstHop:
    """What is done to messages of clients of a first-hop listener."""

    __slots__ = ("_flows", "_tokens", "affinity")

    def __init__(self, flows: FlowTable, tokens: TokenBox, affinity: Affinity) -> None:
        self._flows = flows
        self._tokens = tokens
        self.affinity = affinity

    def take_request(self, request: Request, flow: Flow) -> None:
        """Replace Contacts in ``request``, which came from the client.

        Raises MalformedMessage(400) where [MS-SIPRE] refuses: a client behind another
        node (more than one Via) among others.
        """
        if "contact" not in request.index or not asks_for_replacement(request):
            return
        if has_more_values(request, "via", 1):
            raise MalformedMessage("Contact: proxy=replace, but not from the client")
        replace_contacts(request, flow, self._way_to_us(flow), self._tokens)

    def take_response(self, data: bytes, flow: Flow) -> bytes:
        """The same for a response of the client; empty: it must be discarded."""
        if _ASKS.search(data) is None:
            return data
        try:
            response = parse_message(data, stream=True)
            if not asks_for_replacement(response):
                return data
            replace_contacts(response, flow, self._way_to_us(flow), self._tokens)
        except MalformedMessage:
            return b""
        return response.serialise()

    def _way_to_us(self, flow: Flow) -> Listener:
        """The address that front ends use: TLS where we have it, they insist on it."""
        found = self._flows.listener_for("tls", flow.listener.host, flow.listener)
        return found or flow.listener

    def redirected(self, response: Response, request: Request, flow: Flow) -> bytes:
        """A 301 to REGISTER that leads back to us; the home it names is remembered.

        The client takes host, port and transport and connects anew; what it cannot
        read (a user part in front of the host) must not be there.
        """
        position = response.index.get("contact")
        if position is None:
            return response.forwarded()
        try:
            value = split_values(response.required("contact"))[0]
            uri = parse_uri(parse_name_addr(value).uri)
        except MalformedMessage:
            return response.forwarded()
        # As the client reads it: TLS unless it says TCP.
        is_plain = uri.transport == "tcp" and uri.scheme == "sip"
        home = Lookup(uri.target_host, uri.port, "tcp" if is_plain else "tls")
        self.affinity.note_home(request.from_aor(), home)
        listener = flow.listener
        # Whoever dialled sips: is sent on with sips: (RFC 5630 section 5.3).
        is_secure = listener.transport == "tls" and is_sips(request.uri)
        contact = b"Contact: <%b:%b;transport=%b>" % (
            b"sips" if is_secure else b"sip",
            listener.sent_by,
            listener.transport.encode(),
        )
        lines, names = response.lines, response.names
        lines[position] = contact
        for other in range(len(names) - 1, position, -1):
            if names[other] == "contact":
                del lines[other], names[other]
        response.index = {names[i]: i for i in range(len(names) - 1, -1, -1)}
        return response.forwarded()
