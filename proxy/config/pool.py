"""``[[pool]]``: what one pool has of its own; and the statuses that mean a failure."""

from proxy.config.section import section, setting
from proxy.config.tls import TlsSection
from proxy.config.values import host_name


def _fqdn(value: str) -> str:
    return host_name(value, "pcpool.contoso.test")


def failover_statuses(value: list[int]) -> list[int]:
    """Statuses after which the next front end may be tried; raises ValueError."""
    for code in value:
        if not 400 <= code <= 699 or code in (401, 407, 487):
            raise ValueError(
                f"{code} cannot be a reason to try the next front end: write codes "
                "from 400 to 699 other than 401, 407 and 487"
            )
    return value


def _own_codes(value: list[int] | None) -> list[int] | None:
    return None if value is None else failover_statuses(value)


@section
class PoolSection(TlsSection):
    """What one pool has of its own: our certificate towards it, the authorities that
    may have signed its own, and the statuses that mean a failure.

    ``probe_codes`` are those of OPTIONS; without them ``failover_codes`` count.
    """

    fqdn: str = setting(example="pcpool.contoso.test", check=_fqdn)
    failover_codes: list[int] | None = setting(
        default=None, example=[503, 500], check=_own_codes
    )
    probe_codes: list[int] | None = setting(
        default=None, example=[503], check=_own_codes
    )
