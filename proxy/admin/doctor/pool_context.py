"""How the proxy goes to a pool, for whoever does it in its place."""

import ssl

from proxy.admin.control import ControlError
from proxy.config import Config
from proxy.net.errors import NetError
from proxy.net.tls import TlsFiles, client_context
from proxy.pools.front_end import FrontEnd


def pool_context(config: Config, fqdn: str = "") -> ssl.SSLContext:
    """What the proxy asks of a pool over TLS; raises ControlError."""
    section = next((x for x in config.pool if x.fqdn == fqdn.lower()), None)
    paths = config.tls_files(section)
    files = (paths.certificate, paths.key, paths.ca)
    try:
        return client_context(
            TlsFiles(*(None if each is None else str(each) for each in files)),
            (section and section.minimum_version) or config.tls.minimum_version,
        )
    except NetError as error:
        raise ControlError(str(error)) from None


def source_towards(config: Config, front_end: FrontEnd) -> str:
    """The address that the proxy would send from."""
    for listen in config.listen:
        if (":" in listen.host) == (":" in front_end.host) and listen.host not in (
            "0.0.0.0",
            "::",
        ):
            return listen.host
    return "::" if ":" in front_end.host else "0.0.0.0"
