"""First-hop mode: we are what a legacy client connects to, and do the first hop's work.

A setting of each listener (``first_hop``).  ``contact_token.py`` has ``proxy=replace``,
and ``affinity.py`` one front end for each client.  This module does the rest of a front
end's work: the client agrees on keep-alives ([MS-CONMGMT] section 2.2.1) with us and
not with the front end behind us, and a redirection to a home server leads back to us.
Nothing that [MS-SIPAE] signs is touched.
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
from proxy.sip.limits import NO_LIMITS
from proxy.sip.message import Request, Response, parse_message
from proxy.sip.names import canonical_name
from proxy.sip.uri import parse_uri

# The client then sends CRLFCRLF every 300 seconds, so that neither a NAT nor our own
# idle limit ends its connection.
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
    """The lines without ``ms-keep-alive``, which is hop by hop.

    The body, which may be the last of them, is not looked at.
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
    """Edits the messages of clients of a first-hop listener."""

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
        """The same for a response of the client; empty when it must be discarded."""
        if _ASKS.search(data) is None:
            return data
        try:
            response = parse_message(data, NO_LIMITS, stream=True)
            if not asks_for_replacement(response):
                return data
            replace_contacts(response, flow, self._way_to_us(flow), self._tokens)
        except MalformedMessage:
            return b""
        return response.serialise()

    def _way_to_us(self, flow: Flow) -> Listener:
        """The address of ours for front ends: TLS where we have it, as they insist."""
        found = self._flows.listener_for("tls", flow.listener.host, flow.listener)
        return found or flow.listener

    def redirected(self, response: Response, request: Request, flow: Flow) -> bytes:
        """A 301 to REGISTER that leads back to us; the home it names is remembered.

        The client takes host, port and transport of the Contact, and connects anew.
        There is no user part, because it would read that as the host (decision 52).
        """
        position = response.index.get("contact")
        if position is None:
            return response.forwarded()
        try:
            value = split_values(response.required("contact"))[0]
            uri = parse_uri(parse_name_addr(value).uri)
        except MalformedMessage:
            return response.forwarded()
        # The client reads it so: TLS, unless the Contact says TCP.
        is_plain = uri.transport == "tcp" and uri.scheme == "sip"
        home = Lookup(uri.target_host, uri.port, "tcp" if is_plain else "tls")
        self.affinity.note_home(request.from_aor(), home)
        listener = flow.listener
        # RFC 5630 section 5.3: a client that dialled sips: is redirected with sips:.
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
