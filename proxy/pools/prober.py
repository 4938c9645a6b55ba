"""Tries one front end for real: connect, TLS handshake, OPTIONS, each with its time.

The doctor and the service's own probes use it.  It does to a front end what the proxy
would do, and judges nothing: results are plain values.  It never blocks the loop.
"""

import asyncio
import contextlib
import socket
import ssl
import time
import uuid
from dataclasses import dataclass, replace
from typing import Final

from proxy.pools.front_end import FrontEnd
from proxy.sip.flow import Transport
from proxy.sip.host import host_port

TIMEOUT: Final = 4.0
_REPEAT: Final = (0.5, 1.0, 2.0)  # RFC 3261 section 17.1.2.2: T1, doubled
_HOSTNAME_MISMATCH: Final = 62  # X509_V_ERR_HOSTNAME_MISMATCH
_MAX_ANSWER: Final = 65_536


@dataclass(frozen=True, slots=True)
class Reading:
    """How one try went: ``problem`` is empty when it went well.

    Problems: ``refused``, ``timeout``, ``unreachable``, ``closed``, and of TLS
    ``chain``, ``name``, ``handshake``, ``ours`` (it does not take our certificate).
    ``status`` is the SIP status of an answer.
    """

    problem: str = ""
    seconds: float = 0.0
    text: str = ""
    status: int = 0


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a front end presented: the names it is for, when it ends (epoch s)."""

    names: tuple[str, ...]
    ends_at: float


@dataclass(frozen=True, slots=True)
class Probe:
    """All readings of one front end; None is "not tried"."""

    front_end: FrontEnd
    connect: Reading | None = None
    tls: Reading | None = None
    certificate: Certificate | None = None
    options: Reading | None = None


async def probe(
    front_end: FrontEnd,
    context: ssl.SSLContext | None = None,
    source: str | None = None,
    timeout: float = TIMEOUT,
    reads_names: bool = True,
    target: str = "",
) -> Probe:
    """Try one front end; ``source`` is the address to send from.

    ``target`` is what OPTIONS asks for, without ``sip:``; empty: the pool's name.

    ``reads_names`` looks at a certificate whose name does not fit with a ``context``
    that is relaxed for it: never with one that others use at the same time.
    """
    if front_end.transport == "udp":
        options = await _options_udp(front_end, source, timeout, target)
        return Probe(front_end, options=options)
    connect, opened = await _connect(front_end, source, timeout)
    if opened is None:
        return Probe(front_end, connect)
    if front_end.transport == "tcp":
        reader, writer = await asyncio.open_connection(sock=opened)
        options = await _options_stream(front_end, reader, writer, timeout, target)
        return Probe(front_end, connect, options=options)
    assert context is not None, "a TLS front end needs a context"
    result = await _probe_tls(front_end, connect, opened, context, timeout, target)
    if reads_names and result.tls is not None and result.tls.problem == "name":
        found = await _names_of(front_end, context, source, timeout)
        return replace(result, certificate=found)
    return result


async def _connect(
    front_end: FrontEnd, source: str | None, timeout: float
) -> tuple[Reading, socket.socket | None]:
    loop = asyncio.get_running_loop()
    opened = _socket(front_end, socket.SOCK_STREAM)
    started = time.perf_counter()
    try:
        if source is not None:
            opened.bind((source, 0))
        async with asyncio.timeout(timeout):
            await loop.sock_connect(opened, (front_end.host, front_end.port))
    except OSError as error:  # TimeoutError is one
        opened.close()
        return _failed(error, started), None
    return Reading("", time.perf_counter() - started), opened


def _socket(front_end: FrontEnd, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if ":" in front_end.host else socket.AF_INET
    made = socket.socket(family, kind)
    made.setblocking(False)
    return made


def _failed(error: OSError, started: float) -> Reading:
    seconds = time.perf_counter() - started
    match error:
        case TimeoutError():
            return Reading("timeout", seconds, f"no answer in {seconds:.1f} s")
        case ConnectionRefusedError():
            return Reading("refused", seconds, "connection refused")
        case ConnectionError():
            return Reading("closed", seconds, "the other side closed the connection")
    return Reading("unreachable", seconds, error.strerror or str(error))


# -- TLS -----------------------------------------------------------------------------


async def _probe_tls(
    front_end: FrontEnd,
    connect: Reading,
    opened: socket.socket,
    context: ssl.SSLContext,
    timeout: float,
    target: str,
) -> Probe:
    name = front_end.pool or front_end.name or front_end.host
    started = time.perf_counter()
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(
                sock=opened, ssl=context, server_hostname=name
            )
    except ssl.SSLCertVerificationError as error:
        opened.close()
        if error.verify_code != _HOSTNAME_MISMATCH:
            reading = Reading("chain", _since(started), error.verify_message)
            return Probe(front_end, connect, reading)
        reading = Reading("name", _since(started), f"not for {name}")
        return Probe(front_end, connect, reading)
    except ssl.SSLError as error:
        opened.close()
        return Probe(front_end, connect, _tls_failed(error, started))
    except OSError as error:
        opened.close()
        return Probe(front_end, connect, _failed(error, started))
    reading = Reading(
        "", _since(started), writer.get_extra_info("ssl_object").version()
    )
    certificate = _certificate(writer)
    options = await _options_stream(front_end, reader, writer, timeout, target)
    return Probe(front_end, connect, reading, certificate, options)


_OURS: Final = ("UNKNOWN_CA", "CERTIFICATE", "HANDSHAKE_FAILURE", "DECRYPT_ERROR")
"""What the alerts of a peer have in their names when our certificate is the matter."""


def _tls_failed(error: ssl.SSLError, started: float) -> Reading:
    """Their alert, or what else spoils TLS; TLS 1.3 lets it come late."""
    reason = error.reason or str(error)
    is_ours = "ALERT" in reason and any(word in reason for word in _OURS)
    said = reason.replace("_", " ").lower()
    return Reading("ours" if is_ours else "handshake", _since(started), said)


def _since(started: float) -> float:
    return time.perf_counter() - started


async def _names_of(
    front_end: FrontEnd,
    context: ssl.SSLContext,
    source: str | None,
    timeout: float,
) -> Certificate | None:
    """The certificate of a front end whose name does not fit: ask without the name."""
    _, opened = await _connect(front_end, source, timeout)
    if opened is None:
        return None
    context.check_hostname = False
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(
                sock=opened, ssl=context, server_hostname=front_end.pool
            )
    except OSError:
        opened.close()
        return None
    finally:
        context.check_hostname = True
    found = _certificate(writer)
    writer.close()
    return found


def _certificate(writer: asyncio.StreamWriter) -> Certificate | None:
    shown = writer.get_extra_info("peercert")
    if not shown:
        return None
    names = tuple(
        value
        for kind, value in shown.get("subjectAltName", ())
        if kind in ("DNS", "URI", "IP Address")
    )
    return Certificate(names, float(ssl.cert_time_to_seconds(shown["notAfter"])))


# -- OPTIONS ---------------------------------------------------------------------------


async def _options_stream(
    front_end: FrontEnd,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    timeout: float,
    target: str,
) -> Reading:
    started = time.perf_counter()
    host, port = writer.get_extra_info("sockname")[:2]
    try:
        writer.write(options_request(front_end, host, port, target))
        async with asyncio.timeout(timeout):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                reading = _answer(head, started)
                if reading is not None:
                    return reading
    except asyncio.IncompleteReadError:
        return Reading("closed", _since(started), "closed the connection unanswered")
    except asyncio.LimitOverrunError:
        return Reading("closed", _since(started), "what came back is no SIP")
    except ssl.SSLError as error:
        return _tls_failed(error, started)
    except OSError as error:
        return _failed(error, started)
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), 0.5)


async def _options_udp(
    front_end: FrontEnd, source: str | None, timeout: float, target: str
) -> Reading:
    loop = asyncio.get_running_loop()
    opened = _socket(front_end, socket.SOCK_DGRAM)
    started = time.perf_counter()
    try:
        if source is not None:
            opened.bind((source, 0))
        opened.connect((front_end.host, front_end.port))
        host, port = opened.getsockname()[:2]
        request = options_request(front_end, host, port, target)
        for wait in (*_REPEAT, timeout):
            left = timeout - _since(started)
            if left <= 0:
                break
            await loop.sock_sendall(opened, request)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(wait, left)):
                    while True:
                        data = await loop.sock_recv(opened, _MAX_ANSWER)
                        reading = _answer(data, started)
                        if reading is not None:
                            return reading
        return _failed(TimeoutError(), started)
    except OSError as error:
        return _failed(error, started)
    finally:
        opened.close()


def _answer(data: bytes, started: float) -> Reading | None:
    """A final response, read off its status line; None for anything before it."""
    line = data.lstrip(b"\r\n").partition(b"\r\n")[0]
    version, _, rest = line.partition(b" ")
    code, _, reason = rest.partition(b" ")
    if not version.startswith(b"SIP/") or not code.isdigit():
        return None if not version else Reading("closed", _since(started), "no SIP")
    if int(code) < 200:
        return None
    text = f"{code.decode()} {reason.decode('utf-8', 'replace')}"
    return Reading("", _since(started), text.strip(), int(code))


_VIA: Final[dict[Transport, str]] = {"udp": "UDP", "tcp": "TCP", "tls": "TLS"}


def options_request(
    front_end: FrontEnd, host: str, port: int, target: str = ""
) -> bytes:
    """An OPTIONS to the pool's own name (RFC 3261 section 11), or to ``target``."""
    unique = uuid.uuid4().hex[:16]
    own = host_port(host, port)
    target = target or front_end.pool or front_end.name or front_end.host
    return (
        f"OPTIONS sip:{target} SIP/2.0\r\n"
        f"Via: SIP/2.0/{_VIA[front_end.transport]} {own};rport;"
        f"branch=z9hG4bK{unique}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:waypost@{target}>;tag={unique}\r\n"
        f"To: <sip:{target}>\r\nCall-ID: {unique}\r\nCSeq: 1 OPTIONS\r\n"
        f"Contact: <sip:waypost@{own}>\r\nUser-Agent: waypost probe\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()
