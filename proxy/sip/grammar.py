"""The lexical floor: tokens, white space, header names, list splitting.

Each expression stands for a rule of RFC 3261 section 25.1.  Their quantifiers are
possessive wherever two could share the same bytes: a stranger's header must not cost
more than its length.
"""

import re
from typing import Final

TOKEN: Final = re.compile(rb"[A-Za-z0-9\-.!%*_+`'~]+")
"""``token``; the names of methods, header fields and parameters."""

# RFC 4475 3.1.1.2 (intmeth) uses every token character in a header name, and its
# 3.1.1.4 (esc02) relies on '%' being one.  Bytes above 0x7F and other separators are
# not token characters.
HEADER_NAME: Final = re.compile(rb"([A-Za-z0-9\-.!%*_+`'~]+)[ \t]*\Z")
_LINE_END: Final = re.compile(rb"\r\n(?![ \t])")
LWS_FOLD: Final = re.compile(rb"(?<![ \t])[ \t]*+\r\n[ \t]++")

COMPACT: Final[dict[str, str]] = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
"""Compact forms (RFC 3261 section 7.3.3 and the IANA registry)."""

_COMMON_NAMES: Final = (
    "Accept Accept-Contact Accept-Encoding Accept-Language Alert-Info Allow "
    "Allow-Events Authentication-Info Authorization Call-ID Call-Info Contact "
    "Content-Disposition Content-Encoding Content-Language Content-Length "
    "Content-Type CSeq Date Diversion Error-Info Event Expires From In-Reply-To "
    "Max-Breadth Max-Forwards MIME-Version Min-Expires Min-SE Organization "
    "P-Asserted-Identity P-Preferred-Identity Path Priority Privacy "
    "Proxy-Authenticate Proxy-Authentication-Info Proxy-Authorization Proxy-Require "
    "RAck Reason Record-Route Refer-To Referred-By Reply-To Require Retry-After "
    "Route RSeq Server Service-Route Session-Expires Subject Subscription-State "
    "Supported Timestamp To Unsupported User-Agent Via Warning WWW-Authenticate "
    "ms-client-diagnostics ms-diagnostics ms-diagnostics-public ms-keep-alive"
).split()


def _initial_names() -> dict[bytes, str]:
    names: dict[bytes, str] = {}
    for name in _COMMON_NAMES:
        for spelling in (name, name.lower(), name.upper(), name.title()):
            names[spelling.encode()] = name.lower()
    for short, full in COMPACT.items():
        names[short.encode()] = names[short.upper().encode()] = full
    return names


_NAMES_KEPT: Final = 4096
_NAME_KEPT: Final = 64  # bytes

known_names: Final = _initial_names()
"""Spelling on the wire → canonical (lower case, long) name; learns as it goes."""


# "x in y" for two bytes values raises and swallows a TypeError inside (CPython looks
# for an integer first), which costs more than the search: on the message path single
# characters are looked for as integers, longer texts with find().
NUL: Final = 0x00
TAB: Final = 0x09
LF: Final = 0x0A
CR: Final = 0x0D
SPACE: Final = 0x20
QUOTE: Final = 0x22
PERCENT: Final = 0x25
COMMA: Final = 0x2C
DOT: Final = 0x2E
COLON: Final = 0x3A
SEMICOLON: Final = 0x3B
LESS_THAN: Final = 0x3C
GREATER_THAN: Final = 0x3E
AT: Final = 0x40
BACKSLASH: Final = 0x5C

_VISIBLE: Final = bytes(
    n if n == TAB or 32 <= n < 127 or n >= 128 else 0x3F for n in range(256)
)


def is_visible(lines: list[bytes]) -> bool:
    """Whether there is no control character in any of these lines."""
    text = b"".join(lines)
    return text.translate(_VISIBLE) == text


METHODS: Final = {
    word: word
    for word in b"INVITE ACK BYE CANCEL OPTIONS REGISTER SUBSCRIBE NOTIFY BENOTIFY INFO"
    b" UPDATE MESSAGE REFER PRACK PUBLISH SERVICE".split()
}
"""The usual methods; one object for each, whose hash is known."""


def _common_starts() -> list[list[tuple[bytes, str]]]:
    starts: list[list[tuple[bytes, str]]] = [[] for _ in range(256)]
    for name in (
        "Via From To Call-ID CSeq Content-Length Contact Content-Type Max-Forwards "
        "Route Record-Route User-Agent Supported Server Subscription-State "
        "Allow Allow-Events Accept Event Expires Proxy-Require"
    ).split():
        starts[ord(name[0])].append((name.encode() + b":", name.lower()))
    return starts


_COMMON_STARTS: Final = _common_starts()
"""First byte of a line → how the usual names go on up to the colon, by frequency."""

LENGTHS: Final = [b"Content-Length: %d" % n for n in range(2048)]
"""The plainest way to say each length, so that it can be compared and not read."""


def says_length(line: bytes, size: int) -> bool:
    """Whether a Content-Length line says ``size``, in digits alone."""
    if size < len(LENGTHS) and line == LENGTHS[size]:
        return True
    text = line[line.find(b":") + 1 :].strip()
    # "+7" and "1_0" are numbers to int() alone.
    return text.isdigit() and len(text) < 12 and int(text) == size


def name_of_line(line: bytes) -> str | None:
    """The canonical name of a header line; None when it has none or is not known."""
    if line:
        for start, name in _COMMON_STARTS[line[0]]:
            if line.startswith(start):
                return name
    raw, colon, _ = line.partition(b":")
    return known_names.get(raw) if colon else None


def canonical_name(raw: bytes) -> str | None:
    """The canonical form of a header name as it stood before the colon.

    ``None`` when it is no token followed by nothing but spaces and tabs: a control
    character there makes the next server read another header than we do
    (AST-2016-009), so such a message is refused rather than passed on.
    """
    name = known_names.get(raw)
    if name is not None:
        return name
    match = HEADER_NAME.match(raw)
    if match is None:
        return None
    name = match[1].decode("ascii").lower()
    name = COMPACT.get(name, name)
    if len(known_names) < _NAMES_KEPT and len(raw) <= _NAME_KEPT:
        known_names[raw] = name
    return name


def unfold(value: bytes) -> bytes:
    """A folded value on one line (RFC 3261 section 7.3.1)."""
    return LWS_FOLD.sub(b" ", value) if CR in value else value


def logical_lines(head: bytes, most: int = 0) -> list[bytes]:
    """The lines of a header block, each with its folds (RFC 3261 section 7.3.1).

    What edits lines takes these: what is left of half a line would belong to the one
    above it.  With ``most`` the rest of the block stands in one piece behind so many.
    """
    return _LINE_END.split(head, most)


def visible(text: str) -> str:
    """What a stranger wrote, fit for a log line and a terminal.

    Whatever is not printable (line ends, escape sequences) leaves as ``%0a``.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    raw = character.encode("utf-8", "surrogatepass")
    return "".join([f"%{byte:02x}" for byte in raw])


# A quote or bracket that nobody closes runs to the end of the value.
_SPLIT: Final = re.compile(
    rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|<[^>]*+(?:>|\Z)|[^",<]++|,', re.DOTALL
)


def after_comma(value: bytes) -> bytes | None:
    """What follows the first value, as written; None when there is only one."""
    for match in _SPLIT.finditer(value):
        if match[0] == b",":
            return value[match.end() :]
    return None


def split_values(value: bytes) -> list[bytes]:
    """Split a header value at the commas outside quotes and angle brackets."""
    if COMMA not in value:
        return [value.strip()]
    if QUOTE not in value and LESS_THAN not in value:
        return [part.strip() for part in value.split(b",")]
    parts: list[bytes] = []
    start = 0
    for match in _SPLIT.finditer(value):
        if match[0] == b",":
            parts.append(value[start : match.start()].strip())
            start = match.end()
    parts.append(value[start:].strip())
    return parts


PARAMETER: Final = re.compile(
    rb'[ \t]*+;[ \t]*+([^;=\s"]++)'
    rb'(?:[ \t]*+=[ \t]*+("(?:[^"\\]++|\\.)*+"|[^;"]*+))?+[ \t]*+(?=;|\Z)'
)


def parse_parameters(text: bytes) -> dict[str, bytes | None] | None:
    """``;name=value;flag`` as a dictionary with lower-case names.

    A flag maps to ``None``; quoted values keep their quotes; the first of two equal
    names wins.  Returns ``None`` when ``text`` is no parameter list.
    """
    parameters: dict[str, bytes | None] = {}
    if QUOTE not in text and SPACE not in text and TAB not in text:
        if not text:
            return parameters
        if text[0] != SEMICOLON:
            return None
        for part in text[1:].split(b";"):
            name, equals, value = part.partition(b"=")
            if not name:
                return None
            parameters.setdefault(
                name.decode("latin-1").lower(), value if equals else None
            )
        return parameters
    position = 0
    stripped = text.rstrip()
    while position < len(stripped):
        match = PARAMETER.match(stripped, position)
        if match is None:
            return None
        value = (match[2] or b"").rstrip()
        has_value = match.start(2) >= 0
        parameters.setdefault(
            match[1].decode("latin-1").lower(), value if has_value else None
        )
        position = match.end()
    return parameters
