"""Whether a claim about somebody's identity may pass (RFC 3325; decision 35).

``P-Asserted-Identity`` says who is calling, or who has answered, and a server that gets
it from us believes it.  So we pass it on when it came from a peer that may assert
identities, and take it out when a stranger wrote it (section 5), or when its owner has
asked for privacy and a client would get it (section 7).  Nothing else of the message
changes.
"""

from collections.abc import Sequence
from typing import Final

from proxy.core.networks import Networks
from proxy.core.routing.next_hops import NextHops
from proxy.core.routing.target import Target
from proxy.core.settings import CoreSettings
from proxy.core.tokens import NO_ENDPOINT
from proxy.sip.errors import MalformedMessage
from proxy.sip.fields import parse_name_addr, parse_tokens
from proxy.sip.flow import Flow, Listener
from proxy.sip.grammar import split_values
from proxy.sip.message import Message, Request, Response

# RFC 3325, the draft that came before it, and RFC 6050.
_CLAIMS: Final = ("p-asserted-identity", "remote-party-id", "p-asserted-service")
_SIGNED_BY_CLIENT: Final = ("proxy-authorization", "authorization")
_SIGNED_BY_SERVER: Final = ("proxy-authentication-info", "authentication-info")
_SCHEMES: Final = frozenset({b"ntlm", b"kerberos", b"tls-dsk"})
_SERVERS: Final = frozenset({"endpoint", "pool", "learned", "default", "probe"})
"""Rules that lead to a pool or the default route.  All others may lead to a client."""


def makes_claims(message: Message) -> bool:
    """Whether a message has such a claim; asked of every message."""
    index = message.index
    return (
        "p-asserted-identity" in index
        or "remote-party-id" in index
        or "p-asserted-service" in index
    )


class Asserted:
    """Judges by where a message came from, and takes out claims that must not pass."""

    __slots__ = ("_networks", "_next_hops", "_serves_clients")

    def __init__(
        self,
        settings: CoreSettings,
        next_hops: NextHops,
        listeners: Sequence[Listener],
    ) -> None:
        registrar = settings.registrar
        own = registrar.trusted_networks if registrar is not None else ()
        self._networks = Networks((*settings.trusted_networks, *own))
        self._next_hops = next_hops
        self._serves_clients = any(each.first_hop for each in listeners)

    def judge_request(self, request: Request, flow: Flow, target: Target) -> None:
        """``request`` has claims, came over ``flow`` and goes to ``target``."""
        is_claimed_by_a_stranger = not self.may_assert(flow) and not _is_for_the_signer(
            request, flow, target
        )
        if is_claimed_by_a_stranger or (
            _is_private(request) and not self._leads_to_a_server(target)
        ):
            _take_out(request)

    def judge_response(
        self, response: Response, flow: Flow, asker: Flow | None
    ) -> None:
        """``response`` has claims, came over ``flow``, and goes back to ``asker`` (None
        when nobody waits for it here).

        A claim that a home server has signed for a client of ours stays.
        """
        # The response has the branch of our request, which only its receiver can know.
        # So even over UDP the source address is proof enough.
        is_known = self.may_assert(flow, is_answer=True) or (
            self._serves_clients
            and any(name in response.index for name in _SIGNED_BY_SERVER)
        )
        if not is_known or (
            _is_private(response)
            and asker is not None
            and not self.may_assert(asker, is_answer=True)
        ):
            _take_out(response)

    def _leads_to_a_server(self, target: Target) -> bool:
        """Whether ``target`` is a server that may know who wants to stay unknown."""
        if target.rule in _SERVERS or target.pool:
            return True
        if target.flow is not None:
            return self.may_assert(target.flow, is_answer=True)
        assert target.lookup is not None
        host, router = target.lookup.host, self._next_hops.router
        return bool(router.pool_of(host)) or self._is_server(host)

    def _is_server(self, host: str) -> bool:
        """Whether a pool, another node or the default route has this address."""
        router = self._next_hops.router
        return (
            host in router.front_ends
            or router.nodes.is_at(host)
            or self._next_hops.is_default_route(host)
        )

    def may_assert(self, flow: Flow, is_answer: bool = False) -> bool:
        """Whether the peer at the other end of ``flow`` may assert identities.

        It may with a verified certificate, or in a network that the configuration
        names.  A pool, the default route and another node may as well, but only on a
        connection, or where an answer comes from or goes to: elsewhere a source address
        may be forged.
        """
        if flow.peer_names or flow.host in self._networks:
            return True
        return (flow.reliable or is_answer) and self._is_server(flow.host)


def _is_for_the_signer(request: Request, flow: Flow, target: Target) -> bool:
    """Whether the request goes to the home server of a signed-in client, which checks
    the claim itself.

    [MS-SIPAE] signs the identity header fields, so without them the signature would be
    wrong.
    """
    if not flow.first_hop or target.tag != NO_ENDPOINT:
        return False
    if target.rule not in ("default", "dialog"):
        return False
    return any(
        value[:40].lower().partition(b" ")[0].partition(b"\t")[0] in _SCHEMES
        for name in _SIGNED_BY_CLIENT
        for value in request.values(name)
    )


def _is_private(message: Message) -> bool:
    """Whether the owner of the identity wants privacy, in a message that nobody has
    signed: ``Privacy: id`` (RFC 3325 section 9.3), or the parameter ``privacy`` of a
    Remote-Party-ID."""
    index = message.index
    if any(name in index for name in _SIGNED_BY_SERVER):
        return False
    try:
        if "privacy" in index:
            values = [each.replace(b";", b",") for each in message.values("privacy")]
            if "id" in parse_tokens(values):
                return True
        return "remote-party-id" in index and any(
            _hides(value)
            for line in message.values("remote-party-id")
            for value in split_values(line)
        )
    except MalformedMessage:
        return True


def _hides(party: bytes) -> bool:
    """Whether a Remote-Party-ID asks for any privacy."""
    wanted = parse_name_addr(party).parameters.get("privacy") or b"off"
    return wanted.strip(b'"').lower() != b"off"


def _take_out(message: Message) -> None:
    """Take out whole logical lines, folds included; every other byte stays."""
    kept = [
        (line, name)
        for line, name in zip(message.lines, message.names, strict=True)
        if name not in _CLAIMS
    ]
    message.lines = [line for line, _ in kept]
    message.names = names = [name for _, name in kept]
    message.index = {names[i]: i for i in range(len(names) - 1, -1, -1)}
