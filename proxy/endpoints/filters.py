"""The ``-Filter`` of Get-CsPersistentChatEndpoint: Where-Object's syntax, in part.

``{DisplayName -like "*chat*" -and PersistentChatPoolFqdn -eq "pcpool.contoso.com"}``:
comparisons joined by ``-and`` and ``-or`` (from left to right, as PowerShell does),
text compared without case.  No brackets, no ``-match``.
"""

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Final

from proxy.endpoints.address import Refused
from proxy.endpoints.model import Endpoint

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
}
_TOKEN: Final = re.compile(r"\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"']+))")
_EXAMPLE: Final = 'write for example {DisplayName -like "*chat*"}'


def parse_filter(text: str) -> Predicate:
    """Read a filter; raises Refused with what to write."""
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1]
    words = ["".join(parts) for parts in _TOKEN.findall(inner)]
    if len(words) % 4 != 3:
        raise Refused(f'the filter "{text}" is not complete: {_EXAMPLE}')
    result = _comparison(*words[0:3])
    for at in range(3, len(words), 4):
        result = _join(words[at], result, _comparison(*words[at + 1 : at + 4]))
    return result


def _comparison(name: str, operator: str, wanted: str) -> Predicate:
    plain = name.removeprefix("$_.").replace("_", "").lower()
    read = _PROPERTIES.get(plain)
    if read is None:
        raise Refused(
            f'the filter knows no property "{name}": use SipAddress, DisplayName, '
            "PersistentChatPoolFqdn, RequestUri or State"
        )
    compare = _OPERATORS.get(operator.lower())
    if compare is None:
        raise Refused(
            f'the filter knows no operator "{operator}": use -eq, -ne, -like, -notlike'
        )
    folded = wanted.lower()
    return lambda endpoint: compare(read(endpoint).lower(), folded)


def _join(word: str, left: Predicate, right: Predicate) -> Predicate:
    match word.lower():
        case "-and":
            return lambda endpoint: left(endpoint) and right(endpoint)
        case "-or":
            return lambda endpoint: left(endpoint) or right(endpoint)
    raise Refused(f'in a filter "{word}" should be -and or -or: {_EXAMPLE}')
