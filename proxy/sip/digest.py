"""The arithmetic of digest access authentication (RFC 7616, RFC 8760).

``core/registrar/credentials.py`` decides who may do what.  This module reads no clock.
It offers and accepts only ``qop=auth``.  The ``uri`` parameter is hashed as it came and
compared with nothing, because legacy clients write ``uri="(null)"``.
"""

import hashlib
import hmac
import re
import struct
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Final, Literal
from zlib import crc32

from proxy.sip.errors import MalformedMessage

ALGORITHMS: Final[dict[str, str]] = {
    "SHA-256": "sha256",
    "SHA-512-256": "sha512_256",
    "MD5": "md5",
}
"""The names of RFC 7616 and RFC 8760 → those of hashlib."""

NONCE_LIFETIME: Final = 300.0
"""Seconds.  It is short because anybody who overhears a nonce may try it.  A client
takes a new one by itself (``stale=true``, RFC 7616 section 3.3)."""
MAX_NONCES: Final = 50_000
"""Counts that are kept, one for each client that has signed in of late."""

# Milliseconds since the epoch, serial number, for whom it was made.
_STAMP: Final = struct.Struct("!QII")
_MAC_SIZE: Final = 12  # bytes: too many to guess while a nonce lasts
_PARAMETER: Final = re.compile(
    rb'[ \t]*([A-Za-z0-9\-]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^\s,"]+)[ \t]*(?:,|\Z)'
)
_QUOTED_PAIR: Final = re.compile(rb"\\(.)", re.DOTALL)

Freshness = Literal["good", "stale", "forged"]


def is_available(algorithm: str) -> bool:
    """Whether this Python's OpenSSL knows the algorithm."""
    return ALGORITHMS.get(algorithm) in hashlib.algorithms_available


def _hasher(algorithm: str) -> Callable[[bytes], str]:
    name = ALGORITHMS[algorithm]
    return lambda data: hashlib.new(name, data, usedforsecurity=False).hexdigest()


_HASHERS: Final = {
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "SHA-512-256": _hasher("SHA-512-256"),
    "MD5": _hasher("MD5"),
}


def ha1_of(algorithm: str, user: str, realm: str, password: str) -> str:
    """HA1 in hexadecimal: what is stored in place of a password."""
    return _HASHERS[algorithm](f"{user}:{realm}:{password}".encode())


class Credentials:
    """An Authorization header field of scheme Digest.

    ``algorithm`` is ``MD5`` when the client names none (RFC 7616 section 3.4).
    """

    __slots__ = (
        "algorithm",
        "cnonce",
        "nc",
        "nonce",
        "qop",
        "realm",
        "response",
        "uri",
        "user",
    )

    def __init__(self, parameters: dict[str, bytes]) -> None:
        get = parameters.get
        self.user = get("username", b"").decode("utf-8", "surrogateescape")
        self.realm = get("realm", b"")
        self.nonce = get("nonce", b"")
        self.uri = get("uri", b"")
        self.response = get("response", b"").lower()
        self.algorithm = get("algorithm", b"MD5").decode("latin-1").upper()
        self.qop = get("qop", b"").lower()
        self.nc = get("nc", b"")
        self.cnonce = get("cnonce", b"")

    def matches(self, ha1: str, method: bytes) -> bool:
        """True when the response was made from ``ha1``; takes constant time."""
        hasher = _HASHERS[self.algorithm]
        ha2 = hasher(b"%b:%b" % (method, self.uri))
        expected = hasher(
            b"%b:%b:%b:%b:%b:%b"
            % (
                ha1.encode(),
                self.nonce,
                self.nc,
                self.cnonce,
                self.qop,
                ha2.encode(),
            )
        )
        return hmac.compare_digest(expected.encode(), self.response)

    @property
    def count(self) -> int:
        """The nonce count; 0 when it cannot be read."""
        try:
            # Eight hexadecimal digits, no more and no less (RFC 7616 section 3.4).
            return int(self.nc, 16) if len(self.nc) == 8 else 0
        except ValueError:
            return 0


def parse_credentials(value: bytes) -> Credentials | None:
    """Read an Authorization value; None for another scheme.

    Raises MalformedMessage for a parameter list that cannot be read or names
    something twice.
    """
    words = value.split(None, 1)  # at a space or a tab (section 25.1, LWS)
    if not words or words[0].lower() != b"digest":
        return None
    text = words[1].rstrip() if len(words) > 1 else b""
    parameters: dict[str, bytes] = {}
    position, end = 0, len(text)
    while position < end:
        match = _PARAMETER.match(text, position)
        if match is None:
            raise MalformedMessage("credentials cannot be read")
        name, parameter = match[1].decode("ascii").lower(), match[2]
        if name in parameters:
            raise MalformedMessage("credentials name a parameter twice")
        if parameter[:1] == b'"':
            parameter = parameter[1:-1]
            if b"\\" in parameter:
                parameter = _QUOTED_PAIR.sub(rb"\1", parameter)
        parameters[name] = parameter
        position = match.end()
    return Credentials(parameters)


def challenge(realm: str, algorithm: str, nonce: bytes, stale: bool = False) -> bytes:
    """One WWW-Authenticate line."""
    return b'WWW-Authenticate: Digest realm="%b", nonce="%b"%b, algorithm=%b, %b' % (
        realm.encode(),
        nonce,
        b", stale=true" if stale else b"",
        algorithm.encode(),
        b'qop="auth"',
    )


class NonceBox:
    """Makes nonces, and lets none be used twice with one count.

    A nonce says when and for which source it was made, and is signed.  So handing one
    out costs no memory, and a sender with a forged address never sees one made for it.
    Counts are kept for nonces that were used with a right password.

    All nonces become stale when ``most`` counts are kept; that costs each client one
    round.  Those from before ``begin`` are stale, because a restart forgets the counts,
    and so are those of another ``maker`` (a number of 16 bits) with the same key, whose
    counts are not here.  A clock that is set makes none stale: see ``clock_set``.
    """

    __slots__ = (
        "_counts",
        "_floor",
        "_key",
        "_last",
        "_maker",
        "_most",
        "_serial",
        "_set_at",
        "_set_by",
    )

    def __init__(self, key: bytes, most: int = MAX_NONCES, maker: int = 0) -> None:
        self._key = key
        self._maker = (maker & 0xFFFF) << 16
        self._most = most
        self._floor = 0.0
        self._serial = 0
        self._last = self._set_at = self._set_by = 0.0
        self._counts: dict[bytes, int] = {}

    def begin(self, now: float) -> None:
        """Nonces made before this instant are stale."""
        self._floor = now

    def clock_set(self, by: float, now: float) -> None:
        """The clock was set by ``by`` seconds, to ``now``: nonces keep their age.

        When it was set back, nothing has to be moved, because the time of nonces never
        goes back.
        """
        self._set_by = max(by, 0.0)
        self._set_at = now
        self._floor += self._set_by

    def _in_time_of(self, made_at: float, now: float) -> float:
        """When a nonce was made, on the clock as it is set now."""
        if made_at < self._set_at and now - self._set_at <= NONCE_LIFETIME:
            return made_at + self._set_by
        return made_at

    def make(self, now: float, source: str = "") -> bytes:
        """A new nonce for ``source``; ``now`` is seconds since the epoch."""
        self._serial = (self._serial + 1) & 0xFFFF
        now = self._last = max(now, self._last)
        serial = self._maker | self._serial
        stamp = _STAMP.pack(int(now * 1000), serial, crc32(source.encode()))
        return b64encode(stamp + self._sign(stamp))

    def _sign(self, stamp: bytes) -> bytes:
        return hmac.digest(self._key, b"nonce" + stamp, "sha256")[:_MAC_SIZE]

    def made_at(self, nonce: bytes) -> float | None:
        """When we made this nonce; None when we did not."""
        try:
            raw = b64decode(nonce, validate=True)
        except ValueError:
            return None
        stamp, mac = raw[: _STAMP.size], raw[_STAMP.size :]
        if len(stamp) != _STAMP.size or not hmac.compare_digest(self._sign(stamp), mac):
            return None
        milliseconds: int = _STAMP.unpack(stamp)[0]
        return milliseconds / 1000

    def _is_ours(self, nonce: bytes, source: str) -> bool:
        _, serial, of = _STAMP.unpack(b64decode(nonce)[: _STAMP.size])
        is_own_make: bool = serial & 0xFFFF0000 == self._maker
        return is_own_make and of == crc32(source.encode())

    def look(self, nonce: bytes, count: int, now: float, source: str = "") -> Freshness:
        """Whether a nonce may be used with this count; nothing is noted."""
        made_at = self.made_at(nonce)
        if made_at is None:
            return "forged"
        if not self._is_ours(nonce, source):
            return "stale"
        now = max(now, self._last)
        made_at = self._in_time_of(made_at, now)
        if made_at < self._floor or not now - NONCE_LIFETIME < made_at <= now + 1.0:
            return "stale"
        return "stale" if count <= self._counts.get(nonce, 0) else "good"

    def use(self, nonce: bytes, count: int, now: float, source: str = "") -> Freshness:
        """Use a nonce with this count, once the password has proved right."""
        freshness = self.look(nonce, count, now, source)
        if freshness != "good":
            return freshness
        if len(self._counts) >= self._most:
            self._forget(max(now, self._last))
            if self.look(nonce, count, now, source) != "good":
                return "stale"
        self._counts[nonce] = count
        return "good"

    def _forget(self, now: float) -> None:
        """Drop the counts of nonces that are stale; if that frees less than half, drop
        all, and make every nonce stale."""
        oldest = now - NONCE_LIFETIME
        kept = {
            nonce: count
            for nonce, count in self._counts.items()
            if self._in_time_of(self.made_at(nonce) or 0.0, now) > oldest
        }
        if len(kept) > self._most // 2:
            kept, self._floor = {}, now
        self._counts = kept
