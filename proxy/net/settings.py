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
    ``close`` is what a peer has to take what was queued before a close.
    """

    first_byte: float = 5.0
    whole_message: float = 10.0
    idle_new: float = 120.0
    idle_established: float = 3600.0
    close: float = 5.0
    tls_handshake: float = 5.0
    user_timeout: float = 10.0
    write_queue: int = 256 * 1024
    sweep: float = 1.0
    limits: MessageLimits = DEFAULT_LIMITS


@dataclass(frozen=True, slots=True)
class AdmissionSettings:
    """How many connections we accept; ``trusted`` networks are not counted.

    ``handshakes`` bounds unfinished TLS handshakes of a listener, in all and by
    source, ``outgoing`` the connections that we open.
    """

    total: int = 4_096
    per_source: int = 128
    handshakes: int = 64
    handshakes_per_source: int = 16
    outgoing: int = 1_024
    trusted: Sequence[IPv4Network | IPv6Network] = field(default=())


DEFAULT_STREAM = StreamSettings()
DEFAULT_ADMISSION = AdmissionSettings()
