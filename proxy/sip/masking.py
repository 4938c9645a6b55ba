"""Masks passwords and tokens in a URI, or another piece of a message, for logs and
screens.

A URI may hold a password, though RFC 3261 section 19.1.1 advises against it.  In doubt
more is masked than necessary.  Nothing here raises.
"""

import re
from typing import Final

GONE: Final = b"***"

_RUN: Final = re.compile(rb"([<>\"])")
_AT, _EQUALS, _TILDE = 0x40, 0x3D, 0x7E
_ROUTE_USER: Final = re.compile(rb"\bsips?:", re.IGNORECASE)
_PASSWORD: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]{0,20}:(?://)?[^\s@:]*+:")
"""Where a user ends and a password begins: ``sip:alice:``."""
_CONTACT_TOKEN: Final = re.compile(rb"(?i)(\bsips?:)[^<>\"\s@~:]{12,}+~")
_OUR_PARAMETER: Final = re.compile(rb"(?i)(;[ \t]*wp[ \t]*=[ \t]*)[^;,>?\s]*")
_PARAMETER: Final = re.compile(
    rb"((?:passw|passphrase|pwd|secret|token|credential|cookie|api-?key|signature|auth|"
    rb"session-?key|gssapi-data|rspauth|nonce|ticket)[\w-]{0,40}[ \t]*=[ \t]*)"
    rb"(\"(?:[^\"\\]|\\.)*+\"?|[^;,&>\s]*)",
    re.IGNORECASE,
)


def masked_uri(uri: bytes) -> bytes:
    """A URI, or another piece of a message, without password and tokens."""
    return masked_text(uri)


def masked_start(text: bytes, most: int) -> bytes:
    """The first ``most`` bytes of it, without password and tokens.

    A password is recognised by the "@" behind it, which the cut may take away.  So the
    text is masked with an "@" at its end.
    """
    if len(text) <= most:
        return masked_text(text)
    return masked_text(text[:most] + b"@").removesuffix(b"@")


def masked_text(text: bytes, is_route: bool = False) -> bytes:
    """The same; with ``is_route`` the whole user part goes, which may be a token.

    A stranger has written the text, so every expression is as good as linear.  Every
    access line asks, so a text without anything to mask is not searched.
    """
    if _AT in text:
        runs = _RUN.split(text)
        text = b"".join(
            [_masked_run(run, is_route) if _AT in run else run for run in runs]
        )
    if _TILDE in text:
        text = _CONTACT_TOKEN.sub(rb"\1***~", text)
    if _EQUALS in text:
        text = _OUR_PARAMETER.sub(rb"\1***", text)
        text = _PARAMETER.sub(rb"\1***", text)
    return text


def _masked_run(run: bytes, is_route: bool) -> bytes:
    """Mask a password, up to the last "@" because it may hold one, or the whole user
    part of a route."""
    at = run.rfind(b"@")
    match = None
    if is_route:
        match = _ROUTE_USER.search(run, 0, at)
    elif run.count(b":", 0, at) > 1:
        match = _PASSWORD.search(run, 0, at)
    return run if match is None else run[: match.end()] + GONE + run[at:]
