"""Reads what a REGISTER asks for: its contacts (RFC 3261 section 10.3 items 6 and 7).

``credentials.py`` decides who may register, and ``registrar.py`` what is then bound.
"""

import re
from typing import Final

from proxy.core.registrar.extensions import keeps_flow
from proxy.core.settings import RegistrarSettings
from proxy.core.validation import Refusal
from proxy.location.binding import Binding
from proxy.sip.errors import MalformedMessage
from proxy.sip.fields import parse_name_addr, parse_routes, parse_tokens
from proxy.sip.flow import Flow
from proxy.sip.grammar import split_values
from proxy.sip.message import Request
from proxy.sip.parameters import without
from proxy.sip.uri import SipUri, parse_uri
from proxy.sip.uri_equality import is_same, uri_key

MAX_URI: Final = 1024  # bytes of a Contact's URI
MAX_VALUE: Final = 2048  # bytes of a Contact value, of a Call-ID, of all Path values

_Q: Final = re.compile(rb"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\Z")
# RFC 3261 section 19.1.1, table 1: a Contact may have this, but not a Request-URI.
_METHOD: Final = re.compile(rb";[ \t]*method[ \t]*=[^;]*", re.IGNORECASE)
_UUID: Final = b"<urn:uuid:"
_EPID: Final = re.compile(rb";[ \t]*epid[ \t]*=[ \t]*([^;> \t]+)", re.IGNORECASE)


class Contact:
    """One Contact value of a REGISTER.

    ``value`` is the value as sent, without ``expires``.  ``expires`` is the seconds
    asked for, 0 to remove; None when neither parameter nor header can be read.
    """

    __slots__ = ("expires", "instance", "key", "q", "reg_id", "uri", "value")

    def __init__(
        self,
        uri: SipUri,
        value: bytes,
        expires: int | None,
        q: float,
        instance: bytes,
        reg_id: int,
    ) -> None:
        self.uri = uri
        self.value = value
        self.expires = expires
        self.q = q
        self.instance = instance
        self.reg_id = reg_id
        self.key = instance_key(instance, reg_id) or uri_key(uri)

    @property
    def request_uri(self) -> bytes:
        """The URI as a request to this contact carries it (section 16.6 item 2)."""
        uri = self.uri
        if not uri.headers and "method" not in uri.parameters:
            return uri.raw
        raw = uri.raw[: -1 - len(uri.headers)] if uri.headers else uri.raw
        at = raw.rfind(b"@") + 1
        return raw[:at] + _METHOD.sub(b"", raw[at:])


def instance_key(instance: bytes, reg_id: int) -> bytes:
    """The key of a contact with an instance; empty without one.

    It stays the same when the client comes back over another connection.  RFC 5626
    section 6 has ``reg-id`` in it too.  Legacy clients send an instance alone, with a
    new port each time; without this key their dead contacts would fill the AOR.
    """
    if instance[:10].lower() == _UUID:
        instance = instance.lower()  # RFC 4122 section 3: equal in any case
    return b"%b;%d" % (instance, reg_id) if instance and reg_id else instance


def find_bound(contact: Contact, bound: dict[bytes, Binding]) -> Binding | None:
    """The binding that ``contact`` refreshes or removes (section 10.3 item 7).

    Equal URIs can have unequal keys (``uri_equality.py``), so a contact that is not
    found by its key is compared with all others.
    """
    known = bound.get(contact.key)
    if known is not None or not bound:
        return known
    is_by_uri = contact.key == uri_key(contact.uri)
    for binding in bound.values():
        names = _instance_keys(binding)
        if is_by_uri:
            if binding.key not in names and is_same(_uri_of(binding), contact.uri):
                return binding
        elif contact.key in names and binding.key in names:
            return binding
    return None


def _uri_of(binding: Binding) -> SipUri:
    """The Contact's URI as it was sent; ``binding.uri`` has lost its header fields."""
    try:
        return parse_uri(parse_name_addr(binding.value).uri)
    except MalformedMessage:  # written by a version that spoiled some values
        return parse_uri(binding.uri)


def is_refreshed(binding: Binding, contact: Contact) -> bool:
    """Whether ``contact`` leads where the binding leads, in whatever spelling."""
    wanted = contact.request_uri
    return binding.uri == wanted or is_same(parse_uri(binding.uri), parse_uri(wanted))


def _instance_keys(binding: Binding) -> tuple[bytes, ...]:
    """The keys that a binding's instance may be stored under: today's, and that of
    earlier versions, which kept the case of a UUID."""
    instance, reg_id = binding.instance, binding.reg_id
    if not instance:
        return ()
    as_written = b"%b;%d" % (instance, reg_id) if reg_id else instance
    return instance_key(instance, reg_id), as_written


def read_contacts(
    request: Request, settings: RegistrarSettings
) -> list[Contact] | Refusal | None:
    """The contacts in order; None for the wildcard (section 10.3 item 6).

    Raises MalformedMessage(400) for what cannot be read.
    """
    # Leave out empty values.
    values = [v for x in request.values("contact") for v in split_values(x) if v]
    header = _seconds(request.value("expires"))
    if b"*" in values:
        if len(values) > 1 or header != 0:
            raise MalformedMessage("Wildcard Contact without Expires 0, or not alone")
        return None
    if len(values) > settings.max_contacts:
        return Refusal(403, f"At most {settings.max_contacts} contacts")
    contacts = [_contact(value, header) for value in values]
    if len(contacts) > 1:
        _tell_apart(contacts)
    for contact in contacts:
        if contact.expires is not None and 0 < contact.expires < settings.min_expires:
            return Refusal(423, "", (b"Min-Expires: %d" % settings.min_expires,))
    if any(contact.reg_id and contact.expires != 0 for contact in contacts):
        return _flow_refusal(request, contacts) or contacts
    return contacts


def _flow_refusal(request: Request, contacts: list[Contact]) -> Refusal | None:
    """The refusal of a ``reg-id`` that cannot be served (RFC 5626 section 6), or None.

    A REGISTER binds the one flow that it comes over.  If that is not the client's own
    flow, the proxy next to the client must hold the client's, and say so with ``ob`` in
    its Path.
    """
    if sum(contact.expires != 0 for contact in contacts) > 1:
        raise MalformedMessage("reg-id with several contacts")
    vias = [via for line in request.values("via") for via in split_values(line)]
    if len(vias) < 2 or "outbound" not in parse_tokens(request.values("supported")):
        return None
    return None if keeps_flow(request) else Refusal(439)


def _contact(value: bytes, header: int | None) -> Contact:
    if len(value) > MAX_VALUE:
        raise MalformedMessage("Contact too large")
    address = parse_name_addr(value)
    if len(address.uri) > MAX_URI:
        raise MalformedMessage("Contact URI too long")
    try:
        uri = parse_uri(address.uri)
    except MalformedMessage as error:
        raise MalformedMessage(f"Contact: {error.reason}") from None
    # A parameter may hold brackets of its own: +sip.instance="<urn:...>".
    at = value.find(address.uri, value.find(address.display) + len(address.display))
    rest = at + len(address.uri)
    if value[:at].strip():
        rest = value.find(b">", rest) + 1
    else:
        # Write brackets: legacy clients cut a Contact without them at its first ";".
        bare = b"<%b>" % address.uri
        value, rest = bare + value[rest:], len(bare)
    parameters = address.parameters
    expires = header
    if "expires" in parameters:
        expires = _seconds(parameters["expires"])
        value = value[:rest] + without(value[rest:], ("expires",))
    instance = (parameters.get("+sip.instance") or b"").strip(b'"')
    # RFC 5626 section 6: without an instance a reg-id is ignored.
    reg_id = _reg_id(parameters.get("reg-id")) if instance else 0
    return Contact(uri, value, expires, _q(parameters), instance, reg_id)


def _tell_apart(contacts: list[Contact]) -> None:
    """Give contacts of one REGISTER that share an instance the keys of their URIs."""
    keys = [contact.key for contact in contacts]
    for contact in contacts:
        if keys.count(contact.key) > 1:
            contact.key = uri_key(contact.uri)


def _seconds(text: bytes | None) -> int | None:
    """``delta-seconds``; an unreadable value counts as missing (section 20.19)."""
    if text is None or not text.isdigit():
        return None
    return int(text) if len(text) < 11 else 2**32 - 1


def _q(parameters: dict[str, bytes | None]) -> float:
    text = parameters.get("q")
    if text is None:
        return 1.0
    # Section 25.1, qvalue: three decimals at most, 1.000 the largest.
    if not _Q.match(text):
        raise MalformedMessage("Contact with a bad q")
    return float(text)


def _reg_id(text: bytes | None) -> int:
    return int(text) if text and text.isdigit() and len(text) < 10 else 0


def read_path(request: Request) -> bytes:
    """The Path values, one per line (RFC 3327)."""
    if "path" not in request.index:
        return b""
    entries = parse_routes(request.values("path"))
    for entry in entries:
        parse_uri(parse_name_addr(entry).uri)
    path = b"\n".join(entries)
    if len(path) > MAX_VALUE:
        raise MalformedMessage("Path too long")
    return path


def epid_of(request: Request) -> str:
    """The ``epid`` of From, which names the user's device ([MS-SIPREGE])."""
    line = request.lines[request.index["from"]]
    match = _EPID.search(line) if line.find(b"epid") >= 0 else None
    return match[1].decode("latin-1") if match else ""


def comes_from(contact: Contact, request: Request, flow: Flow) -> bool:
    """True when the contact is the sender itself, so that its flow leads to it.

    Behind a NAT, or with an ephemeral port, the address in Via is not where its packets
    come from, and only the flow leads back (decision 6).  A contact that somebody else
    registers is reached by its own URI.
    """
    via = request.via
    assert via is not None
    uri = contact.uri
    hosts = (via.head.address, flow.host)
    is_same_host = uri.host in hosts or uri.target_host in hosts
    if flow.reliable:
        return is_same_host or bool(contact.instance)
    return is_same_host and (uri.port or 5060) == (via.head.port or 5060)
