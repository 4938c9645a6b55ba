"""Who vouches for a caller's identity, and whose word is passed on (RFC 3325).

``P-Asserted-Identity`` says who is calling, and whoever receives it from us believes
it.  So it is passed on when it came from somebody who may say so, and taken out when a
stranger wrote it (section 5).  Nothing else of the message changes.
"""

from collections.abc import Sequence
from typing import Final

from proxy.core.networks import Networks
from proxy.core.routing.next_hops import NextHops
from proxy.core.routing.target import Target
from proxy.core.settings import CoreSettings
from proxy.core.tokens import NO_ENDPOINT
from proxy.sip.errors import MalformedMessage
from proxy.sip.fields import parse_tokens
from proxy.sip.flow import Flow, Listener
from proxy.sip.message import Message, Request, Response

# The first is RFC 3325, the second what came before it, the third RFC 6050.
_CLAIMS: Final = ("p-asserted-identity", "remote-party-id", "p-asserted-service")
_SIGNED_BY_CLIENT: Final = ("proxy-authorization", "authorization")
_SIGNED_BY_SERVER: Final = ("proxy-authentication-info", "authentication-info")
_SCHEMES: Final = (b"ntlm ", b"kerberos ", b"tls-dsk ")
_CLIENTS: Final = frozenset({"client", "contact", "binding"})


def makes_claims(message: Message) -> bool:
    """Whether there is anything to judge; asked of every message."""
    index = message.index
    return (
        "p-asserted-identity" in index
        or "remote-party-id" in index
        or "p-asserted-service" in index
    )


class Asserted:
    """Judges where a message came from, and takes out what must not go on."""

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
        if not self.may_assert(flow) and not _is_for_the_signer(request, flow, target):
            _take_out(request)
        elif (
            target.rule in _CLIENTS
            and _is_private(request)
            and (target.flow is None or not self.may_assert(target.flow))
        ):
            # Section 7: a client is told who calls unless the caller has forbidden it.
            _take_out(request)

    def judge_response(self, response: Response, flow: Flow) -> None:
        """``response`` has claims and came over ``flow``.

        What a home server has signed for a client of ours stays as it is.
        """
        # It has the branch of our request, which only who got that can know: so an
        # address is proof enough, over UDP too.
        if self.may_assert(flow, is_answer=True) or (
            self._serves_clients
            and any(name in response.index for name in _SIGNED_BY_SERVER)
        ):
            return
        _take_out(response)

    def may_assert(self, flow: Flow, is_answer: bool = False) -> bool:
        """A server with a verified certificate, a network that the configuration
        names, or (an address proves something on a connection only) a pool, the
        default route or another node of ours."""
        if flow.peer_names or flow.host in self._networks:
            return True
        router = self._next_hops.router
        return (flow.reliable or is_answer) and (
            flow.host in router.front_ends
            or router.nodes.is_at(flow.host)
            or self._next_hops.is_default_route(flow.host)
        )


def _is_for_the_signer(request: Request, flow: Flow, target: Target) -> bool:
    """Whether the home server of a signed-in client gets it, and checks it itself.

    [MS-SIPAE] signs the identity header fields: without them the signature is wrong.
    """
    if not flow.first_hop or target.tag != NO_ENDPOINT:
        return False
    if target.rule not in ("default", "dialog"):
        return False
    return any(
        value.lower().startswith(_SCHEMES)
        for name in _SIGNED_BY_CLIENT
        for value in request.values(name)
    )


def _is_private(request: Request) -> bool:
    """``Privacy: id`` (RFC 3325 section 9.3), in a request that nobody has signed."""
    if "privacy" not in request.index or any(
        name in request.index for name in _SIGNED_BY_SERVER
    ):
        return False
    values = [value.replace(b";", b",") for value in request.values("privacy")]
    try:
        return "id" in parse_tokens(values)
    except MalformedMessage:
        return True


def _take_out(message: Message) -> None:
    """Whole logical lines, folds included; every other byte stays."""
    kept = [
        (line, name)
        for line, name in zip(message.lines, message.names, strict=True)
        if name not in _CLAIMS
    ]
    message.lines = [line for line, _ in kept]
    message.names = names = [name for _, name in kept]
    message.index = {names[i]: i for i in range(len(names) - 1, -1, -1)}
