"""What the proxy reads inside dialogs: the one reply that names a service URI.

The lookup server answers ``cmd:requri`` with an INFO whose XCCOS body carries
``rpl:requri`` and, in ``uib``, the URI that the client will INVITE next.
"""

import re
from html import unescape
from typing import Final

from proxy.core import commands
from proxy.core.routes import RouteSet
from proxy.core.targets import Router
from proxy.sip.errors import MalformedMessage
from proxy.sip.flow import Flow
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


def learn(
    router: Router, body: bytes, routes: RouteSet, flow: Flow
) -> commands.LearnUri | None:
    """``rpl:requri`` from a pool inside a dialog of an endpoint.

    The client INVITEs the URI within milliseconds, so it counts from now on; the
    store follows.
    """
    if b"rpl:requri" not in body:
        return None
    token = routes.token
    endpoint = router.table.by_tag.get(token.endpoint_tag) if token else None
    pool = router.front_ends.get(flow.host)
    uri = learned_uri(body, router.settings.domains)
    if endpoint is None or pool is None or uri is None:
        return None
    if not router.learn(uri, pool, endpoint.key):
        return None
    return commands.LearnUri(uri, pool, endpoint.key)
