"""Typed header fields, parsed only when somebody asks for them.

Values are bytes as they came, already unfolded.  Every function raises MalformedMessage
and nothing else.
"""

import re
from typing import Final

from proxy.sip.cache import keep
from proxy.sip.display import visible
from proxy.sip.errors import MalformedMessage
from proxy.sip.grammar import (
    BACKSLASH,
    COMMA,
    CR,
    GREATER_THAN,
    LESS_THAN,
    PERCENT,
    QUOTE,
    SEMICOLON,
    SPACE,
    TAB,
    TOKEN,
    parse_parameters,
    split_values,
    unfold,
)
from proxy.sip.host import canonical_host
from proxy.sip.native import mypyc_attr
from proxy.sip.uri import parse_uri

MAX_CSEQ: Final = 2**31 - 1

# The RFC allows no underscore in a host name, but Windows machines have them.
_VIA: Final = re.compile(
    rb"\s*+SIP\s*+/\s*+2\.0\s*+/\s*+([A-Za-z0-9\-.!%*_+`'~]++)\s++"
    rb"(\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9\-._]++)\s*+"
    rb"(?::\s*+([0-9]++)\s*+)?(;.*)?\Z",
    re.DOTALL | re.IGNORECASE,
)


_via_heads: Final[dict[bytes, "ViaHead"]] = {}
_cseqs: Final[dict[bytes, tuple[int, bytes]]] = {}
_tags: Final[dict[bytes, bytes | None]] = {}
_UNREAD: Final = b"not read yet"
_MANY: Final = 8
_ASKED_FOR: Final = ("branch", "rport", "received", "keep", "alias")


@mypyc_attr(acyclic=True)
class ViaHead:
    """The part of a Via before its branch, the same in all requests of one client.

    ``host`` is as written, IPv6 in brackets; ``address`` is the same host in the
    spelling of ``canonical_host``.  ``port`` is None when absent.  ``sent_by`` is host
    and port as written, ``mark`` the same in lower case between spaces.  ``transport``
    is in upper case.
    """

    __slots__ = (
        "address",
        "host",
        "mark",
        "parameters",
        "port",
        "sent_by",
        "transport",
    )

    def __init__(
        self,
        transport: bytes,
        host: bytes,
        port: int | None,
        sent_by: bytes,
        parameters: dict[str, bytes | None],
    ) -> None:
        self.transport = transport
        self.host = host
        self.address = canonical_host(host.decode("latin-1"))
        self.port = port
        self.sent_by = sent_by
        self.mark = b" " + sent_by.lower() + b" "
        self.parameters = parameters


@mypyc_attr(acyclic=True, free_list_len=1)
class Via:
    """One Via value: where a response has to go (RFC 3261 section 18.2.2).

    ``branch`` is None for an RFC 2543 client; ``value`` is the value as written.
    """

    __slots__ = ("branch", "head", "parameters", "value")

    def __init__(
        self,
        value: bytes,
        head: ViaHead,
        branch: bytes | None,
        parameters: dict[str, bytes | None],
    ) -> None:
        self.value = value
        self.head = head
        self.branch = branch
        self.parameters = parameters

    @property
    def has_magic_branch(self) -> bool:
        """True when the branch is one of RFC 3261 (the cookie in any case)."""
        branch = self.branch
        return (
            branch is not None and branch[:7].lower() == b"z9hg4bk" and len(branch) > 7
        )


def parse_via(value: bytes) -> Via:
    """Read one Via value (no commas outside quotes)."""
    front, found, rest = value.partition(b";branch=")
    if found and SPACE not in rest and QUOTE not in rest:
        head = _via_head(front)
        if SEMICOLON not in rest:
            return Via(value, head, rest, head.parameters)
        branch, _, tail = rest.partition(b";")
        if not tail:
            return Via(value, head, branch, head.parameters)
        more = parse_parameters(b";" + tail)
        if more is not None:
            return Via(value, head, branch, _asked_for({**more, **head.parameters}))
    head = _via_head(value)
    return Via(value, head, head.parameters.get("branch"), head.parameters)


def _via_head(text: bytes) -> ViaHead:
    head = _via_heads.get(text)
    if head is None:
        head = _read_via_head(text)
        keep(_via_heads, text, head)
    return head


def _read_via_head(text: bytes) -> ViaHead:
    match = _VIA.match(text)
    if match is None:
        raise MalformedMessage("Via cannot be read")
    parameters = parse_parameters((match[4] or b"").strip())
    if parameters is None:
        raise MalformedMessage("Via with bad parameters")
    # Section 18.2.2: a response could not go to port 0.
    port = None
    if match[3]:
        port = int(match[3]) if len(match[3]) < 6 else 0
        if not 0 < port < 65_536:
            raise MalformedMessage("Via with a bad port")
    sent_by = match[2] + (b":" + match[3] if match[3] else b"")
    transport, host = match[1].upper(), match[2]
    return ViaHead(transport, host, port, sent_by, _asked_for(parameters))


def _asked_for(parameters: dict[str, bytes | None]) -> dict[str, bytes | None]:
    """The parameters of a Via as far as anybody asks for them, if there are many.

    They are held as long as the request, and one that is read takes thirty times the
    bytes that it has in the message.
    """
    if len(parameters) <= _MANY:
        return parameters
    return {name: parameters[name] for name in _ASKED_FOR if name in parameters}


_CSEQ: Final = re.compile(rb"([0-9]+)[ \t]+([A-Za-z0-9\-.!%*_+`'~]+)\Z")


def parse_cseq(line: bytes) -> tuple[int, bytes]:
    """Sequence number (below 2**31, RFC 3261 section 8.1.1.5) and method.

    Takes the whole header line, and remembers it: the numbers in use are few.
    """
    cseq = _cseqs.get(line)
    if cseq is None:
        cseq = _read_cseq(line)
        keep(_cseqs, line, cseq)
    return cseq


def _read_cseq(line: bytes) -> tuple[int, bytes]:
    match = _CSEQ.match(unfold(line.partition(b":")[2].strip()))
    if match is None:
        raise MalformedMessage("CSeq cannot be read")
    # Leading zeros are allowed; without them the number of digits bounds int().
    digits = match[1].lstrip(b"0") or b"0"
    if len(digits) > 10 or int(digits) > MAX_CSEQ:
        raise MalformedMessage("CSeq number is too large")
    return int(digits), match[2]


class NameAddr:
    """``"display" <uri>;parameters`` or the bare form (RFC 3261 section 20.10).

    ``uri`` is the URI as written.  In the bare form everything from the first ``;`` on
    belongs to the header field and not to the URI.
    """

    __slots__ = ("display", "parameters", "uri")

    def __init__(
        self, display: bytes, uri: bytes, parameters: dict[str, bytes | None]
    ) -> None:
        self.display = display
        self.uri = uri
        self.parameters = parameters


_NAME_ADDR: Final = re.compile(
    rb'\s*+("(?:[^"\\]++|\\.)*+"\s*+|[^"<,;]*+)<([^<>]*+)>\s*+(;.*)?\Z', re.DOTALL
)


def parse_name_addr(value: bytes) -> NameAddr:
    """Read one From, To, Contact, Route or Record-Route value."""
    match = _NAME_ADDR.match(value) if LESS_THAN in value else None
    if match is not None:
        display, uri, text = match[1], match[2], (match[3] or b"").strip()
    else:  # the bare form; a parameter may hold "<": +sip.instance="<urn:...>"
        uri, semicolon, rest = value.strip().partition(b";")
        uri = uri.rstrip()
        display, text = b"", semicolon + rest
        if any(byte in uri for byte in (b'"', b" ", b",", b"?", b"<", b">")):
            raise MalformedMessage("address cannot be read")
    if not uri:
        raise MalformedMessage("address without URI")
    parameters = parse_parameters(text)
    if parameters is None:
        raise MalformedMessage("address with bad parameters")
    return NameAddr(display.strip(), uri.strip(), parameters)


def with_first_uri(line: bytes, uri: bytes) -> bytes:
    """A Contact line, or one like it, with ``uri`` in its first value, in brackets.

    The grammar finds the old URI: a display name may hold the same text.
    """
    written = line.partition(b":")[2].strip()
    value = split_values(unfold(written))[0]
    match = _NAME_ADDR.match(value) if LESS_THAN in value else None
    if match is not None:
        edited = value[: match.start(2)] + uri + value[match.end(2) :]
    else:
        _, semicolon, rest = value.partition(b";")
        edited = b"<%b>%b%b" % (uri, semicolon, rest)
    if line.find(value) < 0:  # folded inside the value
        return line[: line.find(written)] + unfold(written).replace(value, edited, 1)
    return line.replace(value, edited, 1)


# The form of nearly every From and To; any other form is parsed in full.  A line
# without a display name does not even need this expression.
_PLAIN_ADDRESS: Final = re.compile(
    rb'[A-Za-z]+: *+(?:"[^"\\\r]*" ?)?<sips?:[^<>",\s]+>(?:;[^",<>\s\\]*)?\Z'
)


def tag_of_line(line: bytes) -> bytes | None:
    """Check a whole From or To line and return its tag; None without one.

    All requests of a dialog repeat these two lines, so the result is remembered.
    """
    tag = _tags.get(line, _UNREAD)
    if tag is _UNREAD:
        tag = _read_tag(line)
        keep(_tags, line, tag)
    return tag


def _read_tag(line: bytes) -> bytes | None:
    front, found, tail = line.partition(b">;tag=")
    if found and _is_plain_uri(front) and _is_plain_text(tail):
        return tail.partition(b";")[0]
    if _PLAIN_ADDRESS.match(line):
        return tag_of(line)
    value = unfold(line.partition(b":")[2].strip())
    return parse_name_addr(value).parameters.get("tag")


def _is_plain_uri(front: bytes) -> bool:
    """Whether a line up to its ``>`` has no display name, and a plain ``sip:`` URI."""
    if front.startswith(b"From: <sip:"):
        return len(front) > 11 and _is_plain_text(front[11:])
    return (
        front.startswith(b"To: <sip:") and len(front) > 9 and _is_plain_text(front[9:])
    )


def _is_plain_text(text: bytes) -> bool:
    """Whether a text has no character that could end, quote or hide a part of a
    line."""
    return not (
        SPACE in text
        or QUOTE in text
        or COMMA in text
        or LESS_THAN in text
        or GREATER_THAN in text
        or BACKSLASH in text
        or TAB in text
        or CR in text
    )


def tag_of(value: bytes) -> bytes | None:
    """The ``tag`` parameter of a From or To value; None without one."""
    tail = value[value.rfind(b">") + 1 :]
    if not tail:
        return None
    if QUOTE not in tail and SPACE not in tail:
        start = tail.find(b";tag=")
        if start >= 0:
            end = tail.find(b";", start + 5)
            return tail[start + 5 :] if end < 0 else tail[start + 5 : end]
        if tail.lower().find(b"tag") < 0:
            return None
    return parse_name_addr(value).parameters.get("tag")


def parse_routes(values: list[bytes]) -> list[bytes]:
    """Every Route (or Record-Route) entry of these header values, in order."""
    return [entry for value in values for entry in split_values(value) if entry]


def parse_tokens(values: list[bytes]) -> list[str]:
    """Comma separated tokens, such as option tags, in lower case."""
    tokens = []
    for value in values:
        for part in value.split(b","):
            token = part.strip()
            if token:
                if not TOKEN.fullmatch(token):
                    raise MalformedMessage("list of tokens cannot be read")
                tokens.append(token.decode("ascii").lower())
    return tokens


# Anchored: a URI in a quoted parameter is not the sender's.
_PLAIN_CALLER: Final = re.compile(
    rb"[^:<\"]+:(?:[ \t]*\"[^\"\\<]*\"[ \t]*|[^\"<:]*)"
    rb"<sips?:([^>;?:@]+@[A-Za-z0-9.\-]*[A-Za-z0-9])[>;]"
)
_callers: Final[dict[bytes, str]] = {}


def caller_of(line: bytes) -> str:
    """``user@host`` of a whole From line, in lower case, fit for a log or a screen.

    Empty when the line cannot be read.  The result is remembered: access log, ledger
    and guard all ask for the same request, and a client repeats its From line.
    """
    found = _callers.get(line)
    if found is None:
        found = _read_caller(line)
        keep(_callers, line, found)
    return found


def _read_caller(line: bytes) -> str:
    plain = _PLAIN_CALLER.match(line)
    if plain is not None and PERCENT not in line and line.count(b"<") == 1:
        return visible(plain[1].decode("utf-8", "replace").lower())
    value = unfold(line.partition(b":")[2].strip())
    try:
        return visible(parse_uri(parse_name_addr(value).uri).key)
    except MalformedMessage:
        return ""
