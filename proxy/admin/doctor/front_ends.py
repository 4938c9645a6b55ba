"""Front ends judged: what the prober read of one, as steps with a fix for each.

``pools/prober.py`` tries and judges nothing; what a reading means is decided here.
"""

from collections.abc import Iterator
from typing import Final

from proxy.admin.doctor.verdicts import Step
from proxy.pools.front_end import FrontEnd
from proxy.pools.prober import Certificate, Probe, Reading
from proxy.sip.host import host_port

DAY: Final = 86_400.0
WARN_DAYS: Final = 30


def where_is(front_end: FrontEnd) -> str:
    """Name, transport, address and port, as people read them."""
    where = host_port(front_end.host, front_end.port)
    return f"{front_end.name or front_end.host} {front_end.transport}:{where}"


def judge(of: str, result: Probe, now: float) -> Iterator[Step]:
    """The steps of one front end, from what the prober read."""
    where = where_is(result.front_end)
    if result.connect is not None:
        yield _connect(of, where, result)
    if result.tls is not None:
        yield _chain(of, where, result)
    if result.tls is not None and not result.tls.problem:
        yield _expiry(of, where, result.certificate, now)
    if result.options is not None:
        yield _options(of, where, result)


def _ms(reading: Reading) -> float:
    return round(reading.seconds * 1000, 1)


_OUR_CERTIFICATE: Final = (
    "a front end that wants a certificate of its clients must take ours: in [tls] name "
    "certificate and key that its authority has signed; its own log says what it missed"
)


def _no_way(result: Probe, problem: str) -> str:
    front_end = result.front_end
    if front_end.transport == "tls" and problem in ("ours", "closed"):
        return _OUR_CERTIFICATE
    port = f"{front_end.transport.upper().replace('TLS', 'TCP')} port {front_end.port}"
    return {
        "refused": f"nobody listens there: start the pool's front end, or correct the "
        f"port in DNS ({port})",
        "timeout": f"let {port} pass from this host through every firewall, or take "
        "the address out of DNS",
        "unreachable": "there is no route from here: check the address in DNS and this "
        "host's network",
    }.get(problem, "look at the front end's own log: it ends connections from here")


def _connect(of: str, where: str, result: Probe) -> Step:
    reading = result.connect
    assert reading is not None
    if not reading.problem:
        return Step(of, "connect", "ok", where, ms=_ms(reading))
    text = f"{where}: {reading.text}"
    fix = _no_way(result, reading.problem)
    return Step(of, "connect", "failed", text, fix, _ms(reading))


def _chain(of: str, where: str, result: Probe) -> Step:
    reading, certificate = result.tls, result.certificate
    assert reading is not None
    if not reading.problem:
        text = f"{where}: {reading.text}, certificate is for {of}"
        return Step(of, "tls", "ok", text, ms=_ms(reading))
    fix = _no_way(result, reading.problem)
    text = reading.text
    if reading.problem == "name":
        names = ", ".join(certificate.names) if certificate else ""
        text = f"the certificate is not for {of}" + (f" but {names}" if names else "")
        fix = f"give the front end a certificate whose subjectAltName has DNS:{of}"
    elif reading.problem == "chain" and "expired" in text:
        fix = "renew the front end's certificate"
    elif reading.problem == "chain":
        fix = "name the authority that signed it in [tls] ca, PEM"
    elif reading.problem == "handshake":
        fix = "the port must speak TLS 1.2 or later, and may want our certificate: "
        fix += "[tls] certificate and key"
    return Step(of, "tls", "failed", f"{where}: {text}", fix, _ms(reading))


def _expiry(of: str, where: str, certificate: Certificate | None, now: float) -> Step:
    if certificate is None:
        text = f"{where}: when its certificate ends cannot be seen"
        fix = "look at it: openssl s_client -connect HOST:PORT -showcerts"
        return Step(of, "expiry", "unknown", text, fix)
    days = int((certificate.ends_at - now) // DAY)
    text = f"{where}: certificate ends in {days} days"
    if days >= WARN_DAYS:
        return Step(of, "expiry", "ok", text)
    return Step(of, "expiry", "warning", text, "renew the front end's certificate")


def _options(of: str, where: str, result: Probe) -> Step:
    reading = result.options
    assert reading is not None
    text = f"{where}: {reading.text}"
    ms = _ms(reading)
    if reading.problem:
        return Step(of, "options", "failed", text, _no_way(result, reading.problem), ms)
    if reading.status >= 500:
        fix = "it answers but is not in service: look at the front end's services"
        return Step(of, "options", "warning", text, fix, ms)
    if reading.status in (401, 403, 407):
        fix = "the pool does not trust us: add this host as a trusted application"
        return Step(of, "options", "warning", text, fix, ms)
    return Step(of, "options", "ok", text, ms=ms)
