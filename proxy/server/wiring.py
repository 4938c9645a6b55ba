"""From the configuration to the parts: listeners, core settings, network settings."""

import socket
import ssl
from ipaddress import ip_address, ip_network
from pathlib import Path

from proxy.config import Config, TlsPaths, TlsSection
from proxy.config.keys import read_keys
from proxy.config.pool import PoolSection
from proxy.config.redis_url import is_redis_url
from proxy.core.settings import Attempts, CoreSettings, PoolCodes, RegistrarSettings
from proxy.net.network import ListenOptions
from proxy.net.settings import DEFAULT_ADMISSION, AdmissionSettings, StreamSettings
from proxy.net.tls import TlsEnd, TlsFiles, client_end, server_end
from proxy.pools.resolver import Family
from proxy.server.certificates import Certificates
from proxy.server.host.descriptors import places_for_strangers
from proxy.server.host.memory import Shares, shares
from proxy.sip.flow import FlowTable, Listener
from proxy.sip.uri import parse_uri, port_of


def listeners_of(config: Config) -> list[Listener]:
    """One Listener per ``[[listen]]``, with what it advertises."""
    return [
        Listener(
            section.transport,
            section.host,
            section.port,
            index=index,
            advertised_host=config.advertised_host,
            first_hop=section.first_hop,
        )
        for index, section in enumerate(config.listen)
    ]


def route_keys(config: Config, stored: bytes) -> tuple[bytes, ...]:
    """The keys of flow tokens: those of ``[proxy] key_file``, the first of which
    signs, and the store's.  Raises KeyFileError."""
    path = config.file(config.proxy.key_file or None)
    return (stored,) if path is None else (*read_keys(path), stored)


def core_settings(
    config: Config, keys: tuple[bytes, ...], workers: int = 1
) -> CoreSettings:
    """What the core needs to know; of ``keys`` the first signs flow tokens.

    What the node as a whole may hold is shared out among its workers.
    """
    default = config.routes.default
    held = memory_shares(config, workers)
    return CoreSettings(
        domains=config.domains,
        source=config.advertised_host or config.listen[0].host,
        default_route=default.encode() if default else None,
        attempts=attempts_of(config),
        limits=config.limits.message_limits(),
        local_addresses=local_addresses(config),
        keys=keys,
        max_transactions=held.transactions,
        memory=held.requests,
        # Access records feed the metrics too.
        log_access=config.log.access
        or config.admin.address is not None
        or config.recorder.megabytes > 0,
        registrar=registrar_settings(config),
        node_address=node_address(config),
        asks_store=is_redis_url(config.store_url),
        trusted_networks=tuple(map(ip_network, config.proxy.trusted_networks)),
    )


def memory_shares(config: Config, workers: int = 1) -> Shares:
    """What one process may hold."""
    return shares(config.limits.memory, config.limits.transactions, workers)


def share(limit: int, workers: int) -> int:
    """One worker's part of a limit of the node."""
    return -(-limit // workers)


def node_address(config: Config) -> tuple[str, int] | None:
    """Where other nodes reach this one, as host and port."""
    if not config.node_uri:
        return None
    uri = parse_uri(config.node_uri.encode())
    return uri.host.strip("[]"), port_of(uri)


def registrar_settings(config: Config) -> RegistrarSettings | None:
    """The rules for REGISTER; None when the registrar is off."""
    section = config.registrar
    if not section.enabled:
        return None
    return RegistrarSettings(
        config.realm,
        config.proxy.domains[0],
        tuple(section.algorithms),
        section.networks,
        section.min_expires,
        section.default_expires,
        section.max_expires,
        section.max_contacts,
    )


def attempts_of(config: Config) -> Attempts:
    """The budget of a request."""
    attempts = config.attempts
    return Attempts(
        attempts.connect,
        attempts.first_answer,
        attempts.total,
        frozenset(attempts.failover_codes),
        attempts.silence,
        {each.fqdn: _codes(each, attempts.failover_codes) for each in config.pool},
    )


def _codes(section: PoolSection, default: list[int]) -> PoolCodes:
    """The statuses of one pool; without its own, a probe's are those of a call."""
    failover = section.failover_codes
    failover = default if failover is None else failover
    probe = failover if section.probe_codes is None else section.probe_codes
    return PoolCodes(frozenset(failover), frozenset(probe))


def local_addresses(config: Config) -> frozenset[str]:
    """This machine's addresses, asked for only when a listener takes them all."""
    if not any(section.host in ("0.0.0.0", "::") for section in config.listen):
        return frozenset()
    found = {"127.0.0.1", "::1"}
    for name in (socket.gethostname(), config.advertised_host):
        try:
            infos = socket.getaddrinfo(name, None) if name else []
        except OSError:
            continue
        found |= {str(info[4][0]).partition("%")[0] for info in infos}
    return frozenset(found)


def families_of(flows: FlowTable) -> set[Family]:
    """The address families we can send from."""
    return {6 if ip_address(x.host).version == 6 else 4 for x in flows.listeners}


def stream_settings(config: Config, workers: int = 1) -> StreamSettings:
    """Deadlines and sizes of stream connections."""
    limits = config.limits
    return StreamSettings(
        first_byte=limits.first_byte,
        whole_message=limits.message,
        idle_new=limits.idle,
        idle_established=limits.idle_established,
        tls_handshake=limits.handshake,
        write_queue=limits.write_queue,
        buffers=memory_shares(config, workers).buffers,
        limits=limits.message_limits(),
    )


def admission_settings(config: Config, workers: int = 1) -> AdmissionSettings:
    """How many connections we accept, in all and from one source.

    The kernel deals out a source's connections as it likes, so each worker counts what
    one source may have.
    """
    limits = config.limits
    total, outgoing = places_for_strangers(
        share(limits.connections, workers), DEFAULT_ADMISSION.outgoing
    )
    return AdmissionSettings(
        total=total,
        outgoing=outgoing,
        per_source=limits.connections_per_source,
        per_network=limits.connections_per_network,
        handshakes=share(limits.handshakes, workers),
        handshakes_per_source=limits.handshakes_per_source,
        trusted=[ip_network(text) for text in limits.trusted_networks],
    )


def listen_options(config: Config) -> dict[int, ListenOptions]:
    """Ends of TLS by listener index; raises NetError for files that do not load."""
    return {
        index: ListenOptions(
            tls=server_end(
                tls_files(config, section),
                section.verify_client,
                section.minimum_version or config.tls.minimum_version,
                tuple(section.trusted_peers),
            )
        )
        for index, section in enumerate(config.listen)
        if section.transport == "tls"
    }


def client_tls(config: Config) -> TlsEnd:
    """Our end of TLS towards pools; raises NetError for files that do not load."""
    return client_end(tls_files(config), config.tls.minimum_version)


def own_client(config: Config, listener: Listener) -> ssl.SSLContext:
    """How we are a client of our own TLS listener, which may want a certificate.

    Ours is not verified: nobody else can be at an address of this machine.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    files = tls_files(config, config.listen[listener.index])
    if files.certificate is not None:
        context.load_cert_chain(files.certificate, files.key, password="")
    return context


def pool_tls(config: Config) -> dict[str, TlsEnd]:
    """Our ends of TLS towards pools with files of their own, by FQDN."""
    return {
        section.fqdn: client_end(
            tls_files(config, section),
            section.minimum_version or config.tls.minimum_version,
        )
        for section in config.pool
    }


def certificates_of(
    config: Config,
    options: dict[int, ListenOptions],
    client: TlsEnd | None,
    pools: dict[str, TlsEnd],
) -> Certificates:
    """The certificates of all ends, not checked yet."""
    ends = [option.tls for option in options.values() if option.tls is not None]
    if client is not None:
        ends.append(client)
    ends += pools.values()
    return Certificates(ends, config.advertised_host)


def tls_files(config: Config, section: TlsSection | None = None) -> TlsFiles:
    """The PEM files of a listener or a pool, or those we present to other pools."""
    paths: TlsPaths = config.tls_files(section)
    return TlsFiles(_text(paths.certificate), _text(paths.key), _text(paths.ca))


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
