"""``proxy=replace``: we write ourselves into a client's Contact (decision 50).

A legacy client asks its first hop to put an address into Contact that leads back over
the client's own connection ([MS-SIPRE], processing of the Contact proxy parameter).
A front end writes the far end of that connection.  We stand between the two, so we
write our own address, with a flow token in the user part: ``<token>~<user of the
client>``.  In a request to such a URI we write what a front end would have written, and
send it over the flow that the token names.  Contact is not among the signed fields.
"""

import re
from typing import Final

from proxy.core.answers.replies import diagnostics
from proxy.core.tokens import CONTACT, FlowToken, TokenBox
from proxy.core.validation import Refusal
from proxy.sip.errors import MalformedMessage
from proxy.sip.fields import parse_name_addr
from proxy.sip.flow import Flow, Listener
from proxy.sip.grammar import split_values, unfold
from proxy.sip.host import host_port
from proxy.sip.message import Message
from proxy.sip.parameters import without
from proxy.sip.uri import SipUri, parse_uri

MARK: Final = "~"
"""Between token and user: it cannot stand in a token nor in our Record-Route."""
_TRANSPORT: Final = re.compile(rb";transport=[^;]*", re.IGNORECASE)
_MADDR: Final = re.compile(rb";maddr=[^;]*", re.IGNORECASE)


def asks_for_replacement(message: Message) -> bool:
    """True when a Contact carries the parameter ``proxy``; raises MalformedMessage."""
    return any(
        "proxy" in parse_name_addr(value).parameters
        for line in message.values("contact")
        if b"proxy" in line.lower()
        for value in split_values(line)
        if b"proxy" in value.lower()  # reading costs more, and a line holds thousands
    )


def not_the_first_hop(source: str) -> Refusal:
    """The refusal on a listener without first_hop (decision 53): a front end behind us
    would refuse too, with an error that does not name the cause."""
    text = (
        "Contact asks for proxy=replace: only a listener with first_hop = true "
        "passes such a REGISTER on"
    )
    warning = f'Warning: 399 {source} "{text}"'
    line = diagnostics("not routable", source, cause=text)
    return Refusal(403, "", (warning.encode(), line))


def replace_contacts(
    message: Message, flow: Flow, listener: Listener, tokens: TokenBox
) -> None:
    """Put us into every Contact that asks for it; the other lines stay as they are.

    ``flow`` is the client's, ``listener`` the address of ours that others shall use.
    Raises MalformedMessage(400) where [MS-SIPRE] refuses: another value than
    ``replace``, or another transport than that of the connection.
    """
    for position, name in enumerate(message.names):
        line = message.lines[position]
        if name != "contact" or b"proxy" not in line.lower():
            continue
        head, _, value = line.partition(b":")
        values = split_values(unfold(value.strip()))
        edited = [_replaced(each, flow, listener, tokens) for each in values]
        if edited != values:
            message.lines[position] = b"%b: %b" % (head, b", ".join(edited))


def _replaced(value: bytes, flow: Flow, listener: Listener, tokens: TokenBox) -> bytes:
    if b"proxy" not in value.lower():
        return value
    address = parse_name_addr(value)
    if "proxy" not in address.parameters:
        return value
    if (address.parameters["proxy"] or b"").strip().lower() != b"replace":
        raise MalformedMessage("Contact: proxy is not replace")
    uri = parse_uri(address.uri)
    if uri.transport is not None and uri.transport != flow.transport:
        raise MalformedMessage("Contact: another transport than the connection's")
    user = b"%b~%b@" % (tokens.make_contact(flow), _raw_user(uri))
    mine = _uri(uri, user, listener.sent_by, listener)
    if b"<" not in value:
        tail = value[value.find(address.uri) + len(address.uri) :]
        return b"<%b>%b" % (mine, without(tail, ("proxy",)))
    begin = value.find(b"<", value.find(address.display) + len(address.display))
    end = value.find(b">", begin)
    tail = without(value[end + 1 :], ("proxy",))
    return b"%b<%b>%b" % (value[:begin], mine, tail)


def _uri(uri: SipUri, user: bytes, host_port: bytes, way: Listener) -> bytes:
    """``uri`` with another user part (``@`` included), host and transport."""
    raw = uri.raw
    start = raw.find(b";", raw.rfind(b"@") + 1)
    parameters = _MADDR.sub(b"", raw[start:] if start >= 0 else b"")
    named = b";transport=" + way.transport.encode()
    parameters, count = _TRANSPORT.subn(named, parameters)
    if not count:
        parameters = named + parameters
    return b"%b:%b%b%b" % (uri.scheme.encode(), user, host_port, parameters)


def _raw_user(uri: SipUri) -> bytes:
    raw = uri.raw
    return raw[len(uri.scheme) + 1 : max(raw.rfind(b"@"), 0)] if uri.user else b""


def token_of(uri: SipUri, tokens: TokenBox) -> FlowToken | None:
    """The token of a Contact that we wrote; None for any other URI."""
    if uri.user is None or MARK not in uri.user:
        return None
    token = tokens.open(uri.user.partition(MARK)[0].encode("utf-8", "replace"))
    return token if token is not None and token.purpose == CONTACT else None


def client_uri(uri: SipUri, flow: Flow) -> bytes:
    """The Contact that a front end next to the client would have written."""
    user = _raw_user(uri).partition(MARK.encode())[2]
    return _uri(
        uri,
        user + b"@" if user else b"",
        host_port(flow.host, flow.port).encode(),
        flow.listener,
    )
