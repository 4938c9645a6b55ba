"""Deadlines and sizes of the net layer; the defaults are the product's."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from proxy.sip.limits import DEFAULT_LIMITS, MessageLimits


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What one stream connection may cost; seconds and bytes.

    ``first_byte``, ``whole_message`` and ``idle_new`` bound a peer that has not sent
    one whole message yet, ``whole_message`` any peer in the middle of one, and
    ``idle_established`` one that says nothing at all, keep-alives included.
    ``close`` is what a peer has to take what was queued before a close;
    ``half_closed`` is how long one that sends no more may wait for answers, longer
    than a search takes.  ``buffers`` is what all connections together may make us
    hold, both ways.
    """

    first_byte: float = 5.0
    whole_message: float = 10.0
    idle_new: float = 120.0
    idle_established: float = 3600.0
    close: float = 5.0
    half_closed: float = 40.0
    tls_handshake: float = 5.0
    user_timeout: float = 10.0
    write_queue: int = 256 * 1024
    buffers: int = 64 * 1024 * 1024
    sweep: float = 1.0
    limits: MessageLimits = DEFAULT_LIMITS


@dataclass(frozen=True, slots=True)
class AdmissionSettings:
    """How many connections strangers may have; ``trusted`` networks are not counted.

    ``per_network`` is for a /24 or a /64.  ``handshakes`` are the TLS handshakes of
    strangers that a listener has under way, in all and by network: more of them wait.
    ``outgoing`` are the connections that we open on behalf of strangers.
    """

    total: int = 4_096
    per_source: int = 128
    per_network: int = 1_024
    handshakes: int = 256
    handshakes_per_source: int = 64
    outgoing: int = 1_024
    trusted: Sequence[IPv4Network | IPv6Network] = field(default=())


DEFAULT_STREAM = StreamSettings()
DEFAULT_ADMISSION = AdmissionSettings()
