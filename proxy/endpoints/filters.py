"""The ``-Filter`` of Get-CsPersistentChatEndpoint: Where-Object's syntax, in part.

``{DisplayName -like "*chat*" -and PersistentChatPoolFqdn -eq "pcpool.contoso.com"}``:
comparisons joined by ``-and`` and ``-or`` (from left to right, as PowerShell does),
``-not`` or ``!`` and round brackets; text compared without case; ``$null`` is empty.
"""

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Final

from proxy.endpoints.address import Refused
from proxy.endpoints.model import Endpoint
from proxy.sip.pasted import DASHES, DOUBLE_QUOTES, SINGLE_QUOTES

Predicate = Callable[[Endpoint], bool]

_PROPERTIES: Final[dict[str, Callable[[Endpoint], str]]] = {
    "identity": lambda endpoint: endpoint.sip_address,
    "sipaddress": lambda endpoint: endpoint.sip_address,
    "displayname": lambda endpoint: endpoint.display_name,
    "persistentchatpoolfqdn": lambda endpoint: endpoint.pool_fqdn,
    "poolfqdn": lambda endpoint: endpoint.pool_fqdn,
    "requesturi": lambda endpoint: endpoint.request_uri,
    "state": lambda endpoint: endpoint.state,
}
_OPERATORS: Final[dict[str, Callable[[str, str], bool]]] = {
    "-eq": lambda value, wanted: value == wanted,
    "-ne": lambda value, wanted: value != wanted,
    "-like": fnmatchcase,
    "-notlike": lambda value, wanted: not fnmatchcase(value, wanted),
    "-match": lambda value, wanted: re.search(wanted, value) is not None,
    "-notmatch": lambda value, wanted: re.search(wanted, value) is None,
}
_MATCHES: Final = ("-match", "-notmatch")
_D: Final = f'"{DOUBLE_QUOTES}'
_S: Final = f"'{SINGLE_QUOTES}"
# As in PowerShell typographic quotes are quotes.  The look-behind and the possessive
# blanks keep the search linear in a text of many blanks.
_TOKEN: Final = re.compile(
    rf"(?<!\s)\s*+(?:[{_D}]([^{_D}]*)[{_D}]|[{_S}]([^{_S}]*)[{_S}]|([()!])"
    rf"|([^\s{_D}{_S}()!]+))"
)
_EXAMPLE: Final = 'write for example {DisplayName -like "*chat*"}'
_CONSTANTS: Final = {"$null": "", "$true": "true", "$false": "false"}
MAX_DEPTH: Final = 20
MAX_MATCHES: Final = 4
"""Uses of ``-match`` in one filter."""
_MAX_STEPS: Final = 200_000
"""What one ``-match`` may cost: each repetition multiplies its steps by the length of
the text (``_LENGTH``), each choice doubles them."""
_LENGTH: Final = 300
# The pieces of a regular expression that matter here; whatever else there is, is one
# character to us.
_PIECE: Final = re.compile(
    r"(?P<back>\\[1-9]|\(\?P=|\(\?\()|\\.|\[\^?\]?(?:\\.|[^\]\\])*+(?:\]|\Z)"
    r"|\(\?[a-zA-Z]++\)|(?P<open>\((?:\?(?:[:=!>]|<[=!]|P<\w++>|[a-zA-Z\-]++:))?)"
    r"|(?P<close>\))|\{(?P<exact>\d++)\}|(?P<repeat>(?:[*+]|\{\d*+,\d*+\})[?+]?)"
    r"|(?P<choice>\?[?+]?|\|)|.",
    re.DOTALL,
)


def parse_filter(text: str) -> Predicate:
    """Read a filter; raises Refused with what to write."""
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1]
    return _Reader(text, inner).whole()


class _Reader:
    """The words of one filter; quoted ones are told apart by a leading ``"``."""

    def __init__(self, text: str, inner: str) -> None:
        self._text = text
        found = _TOKEN.findall(inner)
        self._words = [
            _operator(bare) or mark or f'"{double or single}'
            for double, single, mark, bare in found
        ]
        self._depth = 0
        self._matches = 0

    def whole(self) -> Predicate:
        result = self._chain()
        if self._words:
            raise Refused(
                f'in a filter "{self._next()}" should be -and or -or: {_EXAMPLE}'
            )
        return result

    def _next(self) -> str:
        if not self._words:
            raise Refused(f'the filter "{self._text}" is not complete: {_EXAMPLE}')
        return self._words.pop(0)

    def _chain(self) -> Predicate:
        result = self._term()
        while self._words and self._words[0].lower() in ("-and", "-or"):
            result = _join(self._next(), result, self._term())
        return result

    def _term(self) -> Predicate:
        word = self._next()
        if word == "(" or word.lower() in ("!", "-not"):
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise Refused("the filter is nested too deeply")
            if word != "(":
                negated = self._term()
                return lambda endpoint: not negated(endpoint)
            inner = self._chain()
            if self._next() != ")":
                raise Refused(f'the filter "{self._text}" has a bracket too many')
            return inner
        operator = self._next()
        self._matches += operator.lower() in _MATCHES
        if self._matches > MAX_MATCHES:
            raise Refused(f"a filter may have {MAX_MATCHES} times -match: use -like")
        return _comparison(word, operator, _value(self._next()))


def _operator(word: str) -> str:
    """A bare word; like PowerShell we take a typographic dash before it for "-"."""
    return "-" + word[1:] if word[:1] and word[0] in DASHES else word


def _value(word: str) -> str:
    if word in ("(", ")", "!"):
        raise Refused(f'in a filter "{word}" cannot be a value: {_EXAMPLE}')
    return word[1:] if word[:1] == '"' else _CONSTANTS.get(word.lower(), word)


def _comparison(name: str, operator: str, wanted: str) -> Predicate:
    plain = name.removeprefix("$_.").replace("_", "").lower()
    read = _PROPERTIES.get(plain)
    if read is None:
        raise Refused(
            f'the filter knows no property "{name.lstrip(chr(34))}": use SipAddress, '
            "DisplayName, PersistentChatPoolFqdn, RequestUri or State"
        )
    compare = _OPERATORS.get(operator.lower())
    if compare is None:
        known = ", ".join(_OPERATORS)
        raise Refused(f'the filter knows no operator "{operator}": use {known}')
    if operator.lower() in _MATCHES:
        try:
            re.compile(wanted)
        except (re.error, OverflowError, RecursionError) as error:
            raise Refused(f'"{wanted}" is no regular expression: {error}') from None
        if not _is_quick(wanted):
            raise Refused(
                f'"{wanted}" could take too long: use -like, or at most two '
                "repetitions (* + {1,9}), none in another, and no references back"
            )
        return lambda endpoint: compare(read(endpoint).lower(), _caseless(wanted))
    folded = wanted.lower()
    return lambda endpoint: compare(read(endpoint).lower(), folded)


def _is_quick(pattern: str) -> bool:
    """Whether a regular expression ends soon, whatever the text.

    Everybody who may look can send one to the console, which serves all others from
    the same thread; ``(a+)+b`` would take years.
    """
    steps, inside = 1, [False]  # whether the groups that are open repeat or choose
    was_group = False  # whether the last piece has ended one that does
    for piece in _PIECE.finditer(pattern):
        kind = piece.lastgroup
        if kind == "back":
            return False
        if kind in ("repeat", "choice"):
            if was_group and piece[0] != "|":
                return False
            steps *= _LENGTH if kind == "repeat" else 2
            inside[-1] = True
        elif kind == "exact" and was_group and int(piece[0][1:-1]) > 1:
            return False
        was_group = False
        if kind == "open":
            inside.append(False)
        elif kind == "close" and len(inside) > 1:
            was_group = inside.pop()
            inside[-1] |= was_group
    return steps <= _MAX_STEPS


def _caseless(pattern: str) -> str:
    return f"(?i){pattern}"


def _join(word: str, left: Predicate, right: Predicate) -> Predicate:
    if word.lower() == "-and":
        return lambda endpoint: left(endpoint) and right(endpoint)
    return lambda endpoint: left(endpoint) or right(endpoint)
