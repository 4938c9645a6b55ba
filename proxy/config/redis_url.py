"""The URL of a Redis store, parsed without the client.

``redis://`` names one server, ``redis+sentinel://`` the sentinels that know the
master, ``redis+cluster://`` nodes of a cluster; ``rediss`` is each of them over TLS.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from proxy.sip.host import host_port

Kind = Literal["server", "sentinel", "cluster"]

SCHEMES: Final[Mapping[str, Kind]] = {
    "redis": "server",
    "rediss": "server",
    "redis+sentinel": "sentinel",
    "rediss+sentinel": "sentinel",
    "redis+cluster": "cluster",
    "rediss+cluster": "cluster",
}
TLS_OPTIONS: Final = frozenset(
    {"ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"}
)
SENTINEL_OPTIONS: Final = frozenset({"sentinel_username", "sentinel_password"})
MOST_REPLICAS: Final = 9
_PORTS: Final[Mapping[Kind, int]] = {"server": 6379, "sentinel": 26379, "cluster": 6379}
_EXAMPLES: Final[Mapping[Kind, str]] = {
    "server": 'write "redis://waypost:password@redis.contoso.test:6379/0"',
    "sentinel": 'write "redis+sentinel://waypost:password@s1.contoso.test:26379,'
    's2.contoso.test:26379,s3.contoso.test:26379/mymaster/0"',
    "cluster": 'write "redis+cluster://waypost:password@r1.contoso.test:6379,'
    'r2.contoso.test:6379"',
}

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A URL, read.

    ``hosts`` are the servers, sentinels or nodes; ``master`` the name that sentinels
    know.  ``replicas`` is how many must have a change before it counts; None: one,
    where there is one.  ``tls`` are keyword arguments of the client.
    """

    kind: Kind
    is_tls: bool
    hosts: tuple[Address, ...]
    user: str | None
    password: str | None = field(repr=False)
    master: str = ""
    database: int = 0
    replicas: int | None = None
    tls: Mapping[str, str] = field(default_factory=dict)
    sentinel_user: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)

    @property
    def place(self) -> str:
        """Where it is, for people; never with a password."""
        hosts = ",".join(address_text(each) for each in self.hosts)
        match self.kind:
            case "sentinel":
                return f"{self.master}/{self.database} of the sentinels {hosts}"
            case "cluster":
                return f"cluster {hosts}"
        return f"{hosts}/{self.database}"


def address_text(address: Address) -> str:
    """``host:port``, IPv6 in brackets."""
    return host_port(*address)


def is_redis_url(text: str) -> bool:
    """True when the scheme is one of ours."""
    return text.partition(":")[0] in SCHEMES


_ENCODE: Final = (
    "in a Redis URL special characters of a password are percent-encoded: "
    'write "%23" for "#", "%40" for "@", "%2F" for "/", "%3F" for "?"'
)


def check_redis_url(text: str) -> str:
    """The URL itself; ValueError says what to write, and never shows a password."""
    read_redis_url(text)
    return text


def read_redis_url(text: str) -> RedisUrl:
    """Take a URL apart; ValueError says what to write, and never shows a password."""
    if "#" in text:
        raise ValueError(_ENCODE)
    scheme, _, rest = text.partition("://")
    kind = SCHEMES[scheme]
    is_tls = scheme.startswith("rediss")
    head, _, query = rest.partition("?")
    # Not urlsplit: it does not know several hosts, nor several IPv6 addresses.
    server, _, path = head.partition("/")
    if "@" in path or "@" in query.partition("=")[0]:
        raise ValueError(_ENCODE)  # what follows is the rest of a password
    account, at, hosts = server.rpartition("@")
    user, colon, password = account.partition(":")
    options = _options(query, kind, is_tls)
    master, database = _path(path, kind)
    replicas = options.get("replicas")
    return RedisUrl(
        kind,
        is_tls,
        _hosts(hosts, kind),
        unquote(user) or None,
        unquote(password) if at and colon else None,
        master,
        database,
        None if replicas is None else int(replicas),
        {name: options[name] for name in sorted(TLS_OPTIONS & options.keys())},
        options.get("sentinel_username"),
        options.get("sentinel_password"),
    )


def _hosts(text: str, kind: Kind) -> tuple[Address, ...]:
    found = []
    for each in text.split(","):
        try:
            parts = urlsplit(f"//{each}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, 0
        if not host or port == 0:
            raise ValueError(f"a Redis URL needs a host and a port: {_EXAMPLES[kind]}")
        found.append((host, port or _PORTS[kind]))
    if kind == "server" and len(found) > 1:
        raise ValueError(
            "redis:// names one server; for several write redis+sentinel:// or "
            "redis+cluster://"
        )
    return tuple(found)


def _path(path: str, kind: Kind) -> tuple[str, int]:
    """The master's name and the number of the database."""
    words = path.strip("/").split("/") if path.strip("/") else []
    master = ""
    if kind == "sentinel":
        if not words or words[0].isdigit():
            raise ValueError(
                f"the name of the master is missing after the sentinels: "
                f"{_EXAMPLES[kind]}"
            )
        master = unquote(words.pop(0))
    if kind == "cluster" and words not in ([], ["0"]):
        raise ValueError("a Redis cluster has one database: end the URL at the port")
    if len(words) > 1 or (words and not words[0].isdigit()):
        raise ValueError(
            f'"/{"/".join(words)}" is not the number of a Redis database: '
            f"{_EXAMPLES[kind]}"
        )
    return master, int(words[0]) if words else 0


def _options(query: str, kind: Kind, is_tls: bool) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    known = TLS_OPTIONS | {"replicas"}
    if kind == "sentinel":
        known |= SENTINEL_OPTIONS
    unknown = sorted(options.keys() - known)
    if unknown:
        raise ValueError(
            f'the option "{unknown[0]}" of a Redis URL is not known: there are '
            f"{', '.join(sorted(known))}"
        )
    if options.keys() & TLS_OPTIONS and not is_tls:
        raise ValueError("TLS options need TLS: write rediss:// with two s")
    replicas = options.get("replicas", "0")
    if not replicas.isdecimal() or int(replicas) > MOST_REPLICAS:
        raise ValueError(
            f"replicas is how many must hold a change: write 0 to {MOST_REPLICAS}"
        )
    return options
