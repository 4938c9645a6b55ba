"""Our own listeners as clients find them: connect, TLS handshake, OPTIONS.

Each one of the configuration is asked on its own address, with the client certificate
of the configuration unless another one is named.  Which service it is that answers is
found out by ``serving.py``; here is whether any does.
"""

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from proxy.admin.control import ControlError
from proxy.admin.doctor.serving import start_command
from proxy.admin.doctor.verdicts import Step
from proxy.config import Config, ListenSection
from proxy.facts.model import Verdict
from proxy.journey.probe import Way
from proxy.net.errors import NetError
from proxy.net.tls import TlsFiles, client_context
from proxy.pools.front_end import FrontEnd
from proxy.pools.prober import Probe, probe
from proxy.sip.host import LOOPBACK, host_port


@dataclass(frozen=True, slots=True)
class Listener:
    """One listener, and what a client found there; ``way`` is how it got in."""

    section: ListenSection
    step: Step
    way: Way

    @property
    def answers(self) -> bool:
        """Whether a call can be tried over it."""
        return self.step.verdict in ("ok", "warning")


async def look(
    config: Config, certificate: Path | None = None, key: Path | None = None
) -> list[Listener]:
    """Every listener of the configuration, in its order.

    ``certificate`` is a client's, in place of ours, with its ``key`` unless that is in
    the same file.  Raises ControlError when they do not load.
    """
    shown = None
    if certificate is not None:
        shown = TlsFiles(str(certificate), str(key or certificate))
    elif key is not None:
        raise ControlError("--key belongs to --certificate: name both")
    return list(
        await asyncio.gather(*(_look_at(config, each, shown) for each in config.listen))
    )


async def _look_at(
    config: Config, listen: ListenSection, certificate: TlsFiles | None
) -> Listener:
    host = LOOPBACK.get(listen.host, listen.host)
    name = (config.advertised_host or "").strip("[]")
    at = FrontEnd(listen.transport, host, listen.port, name or host, name or host)
    context = None
    if listen.transport == "tls":
        context = _context(config, listen, certificate)
        context.check_hostname = bool(name)
    found = await probe(at, context, target=_ourselves(config, at))
    way = Way(
        (host, listen.port),
        listen.transport,
        host,
        tls=context,
        server_name=name or host,
        timeout=config.attempts.total + 1,
    )
    if found.tls is not None and found.tls.problem == "chain" and context is not None:
        return await _untrusted(config, listen, found, at, way)
    verdict, text, fix = _judge(config, listen, found, certificate is not None)
    return Listener(listen, _step(listen, verdict, text, fix, found), way)


def _ourselves(config: Config, at: FrontEnd) -> str:
    """Whom an OPTIONS asks for that we answer ourselves."""
    if config.advertised_host:
        return f"{config.advertised_host}:{at.port}"
    return host_port(at.host, at.port)


def _context(
    config: Config, listen: ListenSection, certificate: TlsFiles | None
) -> ssl.SSLContext:
    paths = config.tls_files(listen)
    ca = str(paths.ca) if paths.ca else None
    own = TlsFiles(str(paths.certificate), str(paths.key) if paths.key else None)
    shown = certificate or own
    minimum = listen.minimum_version or config.tls.minimum_version
    try:
        return client_context(TlsFiles(shown.certificate, shown.key, ca), minimum)
    except NetError as error:
        raise ControlError(str(error)) from None


async def _untrusted(
    config: Config, listen: ListenSection, found: Probe, at: FrontEnd, way: Way
) -> Listener:
    """Our authorities did not sign our own certificate; its clients' may have."""
    assert found.tls is not None and way.tls is not None
    if "expired" in found.tls.text:
        fix = "renew its certificate: waypost config check names the file"
        step = _step(listen, "failed", found.tls.text, fix, found)
        return Listener(listen, step, way)
    way.tls.check_hostname, way.tls.verify_mode = False, ssl.CERT_NONE
    again = await probe(at, way.tls, target=_ourselves(config, at))
    verdict, text, fix = _judge(config, listen, again, True)
    if verdict in ("ok", "warning"):
        verdict = "unknown"
        text += "; whether clients trust its authority cannot be seen from here"
        fix = "have the authority that signed it in [tls] ca as well, and look again"
    return Listener(listen, _step(listen, verdict, text, fix, again), way)


def _judge(
    config: Config, listen: ListenSection, found: Probe, is_named: bool
) -> tuple[Verdict, str, str]:
    reading = found.connect
    if reading is not None and reading.problem:
        return "failed", reading.text, _nobody(config, reading.problem)
    if found.tls is not None and found.tls.problem:
        return _handshake(listen, found, is_named)
    options = found.options
    assert options is not None, "what has no TLS problem is asked"
    if options.problem and listen.transport == "tls":
        return _refused(listen, options.text, is_named)
    if options.problem:
        return "failed", options.text, _nobody(config, options.problem)
    secure = f"{found.tls.text}, " if found.tls else ""
    text = f"{secure}OPTIONS: {options.text}"
    if options.status >= 500:
        return "warning", text, '"waypost status" and the log say what is the matter'
    return "ok", text, ""


def _nobody(config: Config, problem: str) -> str:
    if problem == "unreachable":
        return "this machine has no such address: correct it in [[listen]]"
    return start_command(config)


def _handshake(
    listen: ListenSection, found: Probe, is_named: bool
) -> tuple[Verdict, str, str]:
    assert found.tls is not None
    if found.tls.problem == "name":
        names = ", ".join(found.certificate.names) if found.certificate else "others"
        text = f"its certificate is not for {found.front_end.pool} but {names}"
        fix = "ask for one with that name, or correct advertised_host in [proxy]"
        return "failed", text, fix
    if found.tls.problem in ("ours", "closed"):
        return _refused(listen, found.tls.text, is_named)
    fix = "waypost config check names the certificate, and the log says the reason"
    return "failed", found.tls.text, fix


def _refused(
    listen: ListenSection, said: str, is_named: bool
) -> tuple[Verdict, str, str]:
    """It does not go on with the certificate that was shown."""
    wanted = ", ".join(listen.trusted_peers)
    if listen.verify_client == "none":
        return "failed", said, "its log says the reason"
    if is_named:
        fix = "show one that a client has, signed by an authority in its ca"
        if wanted:
            fix += f" and for {wanted}"
        return "failed", f"it does not take that certificate ({said})", fix
    text = f"it does not take our own certificate from a client ({said})"
    if wanted:
        text = f"it takes clients with a certificate for {wanted}, and we have none"
    return "unknown", text, "name the certificate of a client with --certificate FILE"


def _step(
    listen: ListenSection, verdict: Verdict, text: str, fix: str, found: Probe
) -> Step:
    where = f"{listen.transport} {listen.address}"
    readings = (found.connect, found.tls, found.options)
    seconds = sum(each.seconds for each in readings if each is not None)
    return Step(
        *("waypost", "listener", verdict, f"{where}: {text}"),
        fix=fix,
        ms=round(seconds * 1000, 1),
    )


def steps_of(listeners: Iterable[Listener]) -> list[Step]:
    """What was found, as steps."""
    return [each.step for each in listeners]
