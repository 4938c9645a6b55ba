"""What the proxy reads inside dialogs: the one reply that names a service URI.

The lookup server answers ``cmd:requri`` with an INFO whose XCCOS body carries
``rpl:requri`` and, in ``uib``, the URI that the client will INVITE next.
"""

import re
from html import unescape
from typing import Final

from proxy.sip.errors import MalformedMessage
from proxy.sip.uri import parse_uri

_URI: Final = re.compile(rb"<uib\s[^<>]*?\buri\s*=\s*[\"']([^\"']{1,1024})[\"']")


def learned_uri(body: bytes, domains: frozenset[str]) -> str | None:
    """The URI handed out in ``rpl:requri``, if it lies in a domain that we serve.

    A URI elsewhere needs no learning (it names its own host), and one that nobody
    could dial through us must not be learned.
    """
    match = _URI.search(body)
    if match is None:
        return None
    text = unescape(match[1].decode("utf-8", "replace")).strip()
    try:
        uri = parse_uri(text.encode())
    except MalformedMessage:
        return None
    if uri.user is None or uri.host not in domains:
        return None
    return text
