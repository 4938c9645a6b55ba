"""``waypost console``: opens store and socket, serves until it is told to end."""

import asyncio
import contextlib
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from proxy.admin.control import ControlError
from proxy.admin.observed.explaining import Here
from proxy.config import Config
from proxy.console.app import build
from proxy.console.desk import Desk, RunLine
from proxy.console.pages.site import the_site
from proxy.console.web_server import CONNECTIONS, WebServer
from proxy.net.errors import NetError
from proxy.net.tls import TlsFiles, server_context
from proxy.net.tls_trouble import explain
from proxy.sip.host import host_port
from proxy.store import open_store
from proxy.telemetry.logs import set_up_logs

log = structlog.get_logger()

UNUSABLE: Final = 3
LOOK_EVERY: Final = 5.0
"""Seconds between two looks at the certificate's files."""


@dataclass(frozen=True, slots=True)
class Console:
    """A console that listens: its address, and what is behind it."""

    url: str
    desk: Desk
    server: WebServer


def run(
    config: Config,
    run_line: RunLine | None,
    explain_here: Here | None,
    sign_in: str = "",
) -> int:
    """Serve until SIGTERM or SIGINT; the exit code.

    ``sign_in`` is who gets a link that signs in once.  Raises ControlError when the
    console cannot serve as it is configured, and StoreError.
    """
    if sign_in and not config.console.is_loopback:
        raise ControlError(
            f"--sign-in makes a link for this machine, and {config.console.listen} can "
            "be reached from others: sign in with the token or the password",
            UNUSABLE,
        )
    set_up_logs(config.log.format, config.log.level, sys.stderr)
    asyncio.run(_serve(config, run_line, explain_here, sign_in))
    return 0


async def _serve(
    config: Config, run_line: RunLine | None, explain_here: Here | None, sign_in: str
) -> None:
    async with console(config, run_line, explain_here) as found:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        # Whoever started us reads the address here.
        print(f"console at {found.url}", flush=True)
        if sign_in:
            link = found.url + await found.desk.link_for(sign_in)
            print(f"signs in once, within 10 minutes: {link}", flush=True)
        log.info("console.started", url=found.url)
        await ended.wait()
        log.info("console.stopping")


@contextlib.asynccontextmanager
async def console(
    config: Config,
    run_line: RunLine | None = None,
    explain_here: Here | None = None,
) -> AsyncIterator[Console]:
    """A console that serves until this is left; raises ControlError, StoreError."""
    context = tls_context(config)
    sock = _socket(config)
    try:
        store = await open_store(config.store_url)
    except BaseException:
        sock.close()
        raise
    desk = Desk(config, store, run_line, explain_here)
    server = WebServer(build(desk, is_tls=context is not None), sock, context)
    host, port = sock.getsockname()[:2]
    url = f"{'https' if context else 'http'}://{host_port(host, port)}"
    tasks = [asyncio.ensure_future(server.serve())]
    tasks.append(asyncio.ensure_future(desk.pulse.run()))
    tasks.append(asyncio.ensure_future(asyncio.to_thread(the_site().warm)))
    if context is not None:
        tasks.append(asyncio.ensure_future(_watch(config, server)))
    try:
        while not server.started:
            if tasks[0].done():
                await tasks[0]  # raises what the server has failed with
            await asyncio.sleep(0.01)
        yield Console(url, desk, server)
    finally:
        server.should_exit = True
        await tasks[0]
        for task in tasks[1:]:
            task.cancel()
        await asyncio.gather(*tasks[1:], return_exceptions=True)
        await store.close()


def tls_context(config: Config) -> ssl.SSLContext | None:
    """The certificate that callers are shown; None for plain HTTP.

    Raises ControlError.
    """
    files = config.console_files()
    own = config.console
    if files.certificate is None:
        if not own.is_loopback and not own.behind:
            raise ControlError(
                f"{own.listen} can be reached from other machines, so it needs a "
                "certificate ([tls] or [console] certificate and key), or the address "
                'of the reverse proxy before it ([console] behind = ["10.1.2.3/32"])',
                UNUSABLE,
            )
        return None
    minimum = config.tls.minimum_version
    if minimum in ("TLSv1", "TLSv1.1"):
        minimum = "TLSv1.2"  # the older ones are for old SIP clients, not for browsers
    key = None if files.key is None else str(files.key)
    try:
        return server_context(TlsFiles(str(files.certificate), key), "none", minimum)
    except NetError as error:
        raise ControlError(str(error), UNUSABLE) from None


def _socket(config: Config) -> socket.socket:
    address = config.console.address
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address.host, address.port))
        sock.listen(CONNECTIONS)
    except OSError as error:
        sock.close()
        raise ControlError(
            f"the console cannot listen on {address}: {error.strerror}: write another "
            "address in [console] listen, or stop what holds it",
            UNUSABLE,
        ) from None
    sock.setblocking(False)
    return sock


async def _watch(config: Config, server: WebServer) -> None:
    """Show new certificates to new connections, as the proxy does."""
    files = config.console_files()
    paths = [each for each in (files.certificate, files.key) if each is not None]
    judged = seen = _stamps(paths)
    while True:
        await asyncio.sleep(LOOK_EVERY)
        found = _stamps(paths)
        # Files that have changed and then stayed the same for one look are complete.
        if found == seen and found != judged:
            judged = found
            _renew(server, str(files.certificate), files.key)
        seen = found


def _renew(server: WebServer, certificate: str, key: Path | None) -> None:
    try:
        server.renew(certificate, None if key is None else str(key))
    except OSError as error:  # ssl.SSLError is one
        reason = explain(certificate, None if key is None else str(key), None, error)
        log.error("certificate.rejected", certificate=certificate, reason=reason)
    else:
        log.info("certificate.reloaded", certificate=certificate)


def _stamps(paths: list[Path]) -> list[tuple[int, int]]:
    found = []
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            found.append((0, 0))
        else:
            found.append((stat.st_mtime_ns, stat.st_ino))
    return found
