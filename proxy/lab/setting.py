"""Where the lab's parts live: addresses of their own on loopback, and a directory.

The usual addresses are the same on every machine, so that a capture is easy to read; a
port that is taken gives way to a free one.  Nothing is bound here for longer than the
look takes.
"""

import socket
from dataclasses import dataclass
from pathlib import Path

from proxy.journey.link import Address

DOMAIN = "contoso.test"
POOL = f"pcpool.{DOMAIN}"
ALIAS = f"sip:ocschat@{DOMAIN}"

CONFIG = """\
# Written by `waypost lab`; gone when it ends.
[proxy]
domains = ["{domain}"]

[[listen]]
transport = "udp"
address = "{host}:{port}"

[[listen]]
transport = "tcp"
address = "{host}:{port}"

[store]
url = "sqlite:///{store}"

[dns]
nameservers = ["{dns_host}:{dns_port}"]
"""

CONSOLE = """
[console]
listen = "{host}:{port}"
"""

# Not the default's address: a service of one's own may run beside the lab.
ADMIN = """
[admin]
listen = "{host}:{port}"
"""

REGISTRAR = """
# A client on this machine needs no password to register: make load SCENARIO=register
[registrar]
enabled = true
trusted_networks = ["127.0.0.0/8"]
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """The lab's addresses and its directory."""

    directory: Path
    proxy: Address
    dns: Address
    front_ends: tuple[Address, ...]
    console: Address | None = None
    admin: Address | None = None

    @property
    def config(self) -> Path:
        """The configuration file of the lab's proxy."""
        return self.directory / "waypost.toml"

    @property
    def console_log(self) -> Path:
        """Where the console's log goes."""
        return self.directory / "console.log"

    @property
    def log(self) -> Path:
        """Where the proxy's output goes."""
        return self.directory / "serve.log"

    def write_config(self, more: str = "") -> None:
        """Write the configuration file; ``more`` are further sections."""
        for section, address in ((CONSOLE, self.console), (ADMIN, self.admin)):
            if address is not None:
                more += section.format(host=address[0], port=address[1])
        self.config.write_text(
            CONFIG.format(
                domain=DOMAIN,
                host=self.proxy[0],
                port=self.proxy[1],
                # An absolute path: its own slash makes it four.
                store=self.directory / "waypost.db",
                dns_host=self.dns[0],
                dns_port=self.dns[1],
            )
            + more
        )


def choose(directory: Path) -> Setting:
    """The usual addresses, or free ports where they are taken."""
    return Setting(
        directory=directory,
        proxy=free_address("127.0.0.5", 5060),
        dns=free_address("127.0.0.53", 5353),
        front_ends=(
            free_address("127.0.0.21", 5081),
            free_address("127.0.0.22", 5082),
        ),
        console=free_address("127.0.0.1", 8443),
        admin=free_address("127.0.0.5", 8060),
    )


def free_address(host: str, wanted: int) -> Address:
    """``host`` with the wanted port, or with one that is free for UDP and TCP."""
    for port in (wanted, *(0,) * 20):
        try:
            return host, _bind_both(host, port)
        except OSError:
            continue
    raise OSError(f"no free port on {host}")


def _bind_both(host: str, port: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stream.bind((host, port))
        chosen: int = stream.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
            datagram.bind((host, chosen))
    return chosen
