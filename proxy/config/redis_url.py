"""The URL of a Redis store: what may stand in it, checked without the client."""

from typing import Final
from urllib.parse import parse_qsl, urlsplit

TLS_OPTIONS: Final = frozenset(
    {"ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"}
)
_EXAMPLE: Final = 'write "redis://waypost:password@redis.contoso.test:6379/0"'


def check_redis_url(text: str) -> str:
    """The URL itself; ValueError says what to write, and never shows a password.

    ``redis://`` or ``rediss://`` (TLS), an ACL user and password, host, port and the
    number of the database; after ``?`` the files of TLS.
    """
    if "#" in text:
        raise ValueError(
            "in a Redis URL special characters of a password are percent-encoded: "
            'write "%23" for "#", "%40" for "@", "%2F" for "/"'
        )
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        port = 0
    if not parts.hostname or port == 0:
        raise ValueError(f"a Redis URL needs a host and a port: {_EXAMPLE}")
    if parts.path.strip("/") and not parts.path[1:].isdigit():
        raise ValueError(
            f'"{parts.path}" is not the number of a Redis database: {_EXAMPLE}'
        )
    options = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    unknown = sorted(options - TLS_OPTIONS)
    if unknown:
        raise ValueError(
            f'the option "{unknown[0]}" of a Redis URL is not known: there are '
            f"{', '.join(sorted(TLS_OPTIONS))}"
        )
    if options and parts.scheme == "redis":
        raise ValueError("TLS options need TLS: write rediss:// with two s")
    return text
