"""What is wrong between sections that are each right by themselves."""

from ipaddress import ip_address
from typing import Final

from proxy.config.model import Config, ListenSection
from proxy.config.toml_lines import KeyPath
from proxy.sip.uri import port_of

KEEP_ALIVE: Final = 300
"""Seconds between two keep-alives of a client, as our ms-keep-alive says."""

Contradiction = tuple[KeyPath, str]
"""Where, and a sentence that says what to write."""


def find_contradictions(config: Config) -> list[Contradiction]:
    """What is wrong between sections: (key path, sentence that says what to write)."""
    found: list[Contradiction] = []
    seen: set[tuple[str, str]] = set()
    for number, listen in enumerate(config.listen):
        here: KeyPath = ("listen", number, "address")
        if ip_address(listen.host).is_unspecified and not config.advertised_host:
            found.append(
                (
                    here,
                    f"{listen.host} listens everywhere, so others need a name "
                    "to answer to: in [proxy] write "
                    'advertised_host = "proxy.contoso.test"',
                )
            )
        # udp and the streams have ports of their own; tcp and tls share theirs.
        socket = ("udp" if listen.transport == "udp" else "tcp", listen.address)
        if socket in seen:
            found.append((here, f"{listen.address} is used twice: write another port"))
        seen.add(socket)
        found += _tls_contradictions(config, number, listen)
        found += _peer_contradictions(number, listen)
    serves_clients = config.registrar.enabled or any(x.first_hop for x in config.listen)
    if serves_clients and config.limits.idle_established <= KEEP_ALIVE:
        found.append(
            (
                ("limits", "idle_established"),
                f"clients are told to send something every {KEEP_ALIVE} s and would be "
                f"cut off before: write idle_established = {12 * KEEP_ALIVE}.0",
            )
        )
    names = [section.fqdn for section in config.pool]
    for number, name in enumerate(names):
        if name in names[:number]:
            found.append((("pool", number, "fqdn"), f"{name} stands here twice"))
    found += _worker_ports(config)
    found += _chat_probe(config)
    uri = config.routes.default_uri
    if uri is not None and (uri.host, port_of(uri)) in config.own_addresses():
        found.append(
            (
                ("routes", "default"),
                "this is our own address, so requests would go round in a loop: "
                "write the address of the front end behind us",
            )
        )
    return found


def _chat_probe(config: Config) -> list[Contradiction]:
    """The chat probe is a client of our own listeners."""
    listened = [x.transport for x in config.listen]
    return [
        (
            ("chat_probe", "transports"),
            f"no [[listen]] has {transport}: write transports = "
            f'["{listened[0]}"], or leave it out',
        )
        for transport in config.chat_probe.transports
        if transport not in listened
    ]


def _worker_ports(config: Config) -> list[Contradiction]:
    """The workers' own UDP ports must be free of listeners."""
    first, workers = config.server.worker_udp_port, config.server.worker_count
    udp = [x for x in config.listen if x.transport == "udp"]
    if not first or workers == 1:
        return []
    last = first + workers * len(udp) - 1
    taken = [x.port for x in udp if first <= x.port <= last]
    if not taken:
        return []
    return [
        (
            ("server", "worker_udp_port"),
            f"{workers} workers take the UDP ports {first} to {last}, and [[listen]] "
            f"has {taken[0]}: write worker_udp_port = {max(taken) + 1}",
        )
    ]


def _peer_contradictions(number: int, listen: ListenSection) -> list[Contradiction]:
    """What a listener says about the peers that connect to it."""
    found: list[Contradiction] = []
    if listen.trusted_peers and listen.verify_client == "none":
        found.append(
            (
                ("listen", number, "trusted_peers"),
                "this listener asks for no certificate: write "
                'verify_client = "required"',
            )
        )
    if listen.first_hop and listen.transport == "udp":
        found.append(
            (
                ("listen", number, "first_hop"),
                "the clients that need it speak TLS or TCP: write it there, and "
                "remove it here",
            )
        )
    return found


def _tls_contradictions(
    config: Config, number: int, listen: ListenSection
) -> list[Contradiction]:
    if listen.transport != "tls":
        return []
    files = config.tls_files(listen)
    found: list[Contradiction] = []
    if files.certificate is None or files.key is None:
        missing = "certificate" if files.certificate is None else "key"
        ending = "pem" if missing == "certificate" else "key"
        found.append(
            (
                ("listen", number),
                f"a tls listener needs a {missing}: write "
                f'{missing} = "/etc/waypost/proxy.{ending}" here or in [tls]',
            )
        )
    if listen.verify_client != "none" and files.ca is None:
        found.append(
            (
                ("listen", number, "verify_client"),
                "checking clients needs the authorities to trust: write "
                'ca = "/etc/waypost/ca.pem" here or in [tls]',
            )
        )
    return found
