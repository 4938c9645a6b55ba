"""Served domains without an alias: their users dial one that nobody made.

A legacy client dials the alias of its user's own SIP domain, so each needs one.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from proxy.admin.doctor.verdicts import Step
from proxy.endpoints.model import Endpoint
from proxy.endpoints.usage import OTHERS, Usage


def domains_without_alias(
    endpoints: Iterable[Endpoint],
    domains: Iterable[str],
    dialled: Sequence[Usage],
    sees: Callable[[str], bool],
) -> Iterator[Step]:
    """A warning for each; none while no domain has one.

    ``dialled`` is what nobody serves; of a domain that the caller does not see there
    is nothing to say.
    """
    served = set(domains)
    models = sorted(
        (each for each in endpoints if _domain(each.key) in served),
        key=lambda each: each.key,
    )
    having = {_domain(each.key) for each in models}
    for domain in sorted(served - having) if models else ():
        model = models[0]
        user = model.key.partition("@")[0]
        if not sees(f"{user}@{domain}"):
            continue
        yield Step(
            *(domain, "alias", "warning"),
            f"{domain} is served and has no endpoint, {_domain(model.key)} has "
            f"{model.sip_address}{_callers(domain, dialled)}",
            fix="one alias for each SIP domain: waypost endpoint new --sip-address "
            f"sip:{user}@{domain} --pool-fqdn {model.pool_fqdn}; or take a domain that "
            "no legacy client uses out of [proxy] domains",
        )


def _callers(domain: str, dialled: Sequence[Usage]) -> str:
    """What its users have dialled in vain."""
    mine = [row for row in dialled if _domain(row.endpoint_key) == domain]
    users = {row.aor for row in mine if row.aor != OTHERS}
    if not users:
        return ""
    addresses = len({row.endpoint_key for row in mine})
    what = mine[0].endpoint_key if addresses == 1 else f"{addresses} addresses of it"
    who = "1 user has" if len(users) == 1 else f"{len(users)} users have"
    return f"; {who} dialled {what} in vain (waypost usage --unknown)"


def _domain(key: str) -> str:
    return key.rpartition("@")[2]
