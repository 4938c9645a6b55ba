"""Whether the name servers answer, and know the default route: asked, not assumed."""

import asyncio
from pathlib import Path
from typing import Final

from proxy.config import Config
from proxy.facts.model import Verdict
from proxy.pools.answers import Answer, DnsLimits, Question
from proxy.pools.front_end import Lookup
from proxy.pools.srv import is_numeric
from proxy.sip.flow import Transport

SECONDS: Final = 2.0
"""How long a server may take."""
_TRANSPORTS: Final[tuple[Transport, ...]] = ("udp", "tcp", "tls")


async def ask_name_servers(config: Config, resolv_conf: Path) -> tuple[Verdict, str]:
    """A question about our own domain to each: any answer to it will do."""
    from proxy.pools.name_servers import NameServers  # dnspython: on demand

    configured = config.dns.nameservers
    servers = configured or NameServers(None, str(resolv_conf)).addresses
    if not servers:
        return "failed", (
            f"{resolv_conf} names no server: in section [dns] write "
            'nameservers = ["10.1.0.53"]'
        )
    name = min(config.domains, default="localhost")
    answers = await asyncio.gather(*(_ask(each, name) for each in servers))
    whose = "" if configured else "the system's resolver: "
    silent = [answer.problem for answer in answers if answer.problem]
    if len(silent) == len(servers):
        return "warning", (
            f"{whose}no name server answers ({'; '.join(silent)}): no pool can be "
            "found until one does"
        )
    if silent:
        return "warning", f"{whose}{'; '.join(silent)}: the others are asked instead"
    return "ok", f"{whose}{', '.join(servers)}: answers"


async def route_step(config: Config) -> tuple[Verdict, str]:
    """Whether the default route leads anywhere."""
    from proxy.pools.resolver import Resolver  # dnspython: on demand

    route, uri = config.routes.default, config.routes.default_uri
    if route is None or uri is None:
        return "ok", "no default route: what is not ours gets 404"
    host = uri.target_host
    if is_numeric(host):
        return "ok", f"{route}: an address, which needs no name server"
    note = ""
    if "." not in host:
        note = (
            f"{host} is asked for as it stands, because the search domains of this "
            "machine are not applied; write the full name, unless the name server "
            "knows the short one"
        )
    resolver = Resolver(
        config.dns.nameservers or None, {each.transport for each in config.listen}
    )
    try:
        found = await resolver.resolve(
            Lookup(host, uri.port, _known(uri.transport), uri.scheme == "sips")
        )
    finally:
        await resolver.close()
    if found.front_ends():
        return ("warning", f"{route}: {note}") if note else ("ok", f"{route} is known")
    if found.error == "timeout":
        text = f"{route}: no name server answers, so whether it leads anywhere is open"
        return "unknown", f"{text}; {note}" if note else text
    text = f"{route} leads nowhere: {found.reason or 'DNS knows no address of it'}"
    return "warning", f"{text}; {note}" if note else text


def _known(name: str | None) -> Transport | None:
    return next((each for each in _TRANSPORTS if each == name), None)


async def _ask(server: str, name: str) -> Answer:
    """One question to one server."""
    from proxy.pools.dns_client import DnsClient  # dnspython: on demand

    loop = asyncio.get_running_loop()
    client = DnsClient([server], DnsLimits(budget=SECONDS), loop.time)
    return await client.ask(Question(name, "A"), SECONDS, early=False)
