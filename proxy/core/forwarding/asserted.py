"""Whether a claim about the caller's identity may pass (RFC 3325; decision 35).

``P-Asserted-Identity`` says who is calling, and a server that gets it from us believes
it.  So we pass it on when it came from a peer that may assert identities, and take it
out when a stranger wrote it (section 5).  Nothing else of the message changes.
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

# RFC 3325, the draft that came before it, and RFC 6050.
_CLAIMS: Final = ("p-asserted-identity", "remote-party-id", "p-asserted-service")
_SIGNED_BY_CLIENT: Final = ("proxy-authorization", "authorization")
_SIGNED_BY_SERVER: Final = ("proxy-authentication-info", "authentication-info")
_SCHEMES: Final = (b"ntlm ", b"kerberos ", b"tls-dsk ")
_CLIENTS: Final = frozenset({"client", "contact", "binding"})


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
        if not self.may_assert(flow) and not _is_for_the_signer(request, flow, target):
            _take_out(request)
        elif (
            target.rule in _CLIENTS
            and _is_private(request)
            and (target.flow is None or not self.may_assert(target.flow))
        ):
            # Section 7: a client is told who calls, unless the caller has asked for
            # privacy.
            _take_out(request)

    def judge_response(self, response: Response, flow: Flow) -> None:
        """``response`` has claims and came over ``flow``.

        A claim that a home server has signed for a client of ours stays.
        """
        # The response has the branch of our request, which only its receiver can know.
        # So even over UDP the source address is proof enough.
        if self.may_assert(flow, is_answer=True) or (
            self._serves_clients
            and any(name in response.index for name in _SIGNED_BY_SERVER)
        ):
            return
        _take_out(response)

    def may_assert(self, flow: Flow, is_answer: bool = False) -> bool:
        """Whether the peer at the other end of ``flow`` may assert identities.

        It may with a verified certificate, or in a network that the configuration
        names.  A pool, the default route and another node may as well, but only on a
        connection or in an answer: elsewhere a source address may be forged.
        """
        if flow.peer_names or flow.host in self._networks:
            return True
        router = self._next_hops.router
        return (flow.reliable or is_answer) and (
            flow.host in router.front_ends
            or router.nodes.is_at(flow.host)
            or self._next_hops.is_default_route(flow.host)
        )


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
    """Take out whole logical lines, folds included; every other byte stays."""
    kept = [
        (line, name)
        for line, name in zip(message.lines, message.names, strict=True)
        if name not in _CLAIMS
    ]
    message.lines = [line for line, _ in kept]
    message.names = names = [name for _, name in kept]
    message.index = {names[i]: i for i in range(len(names) - 1, -1, -1)}
