"""TLS for sipp, which Debian builds without it: stunnel on both sides of the proxy.

    sipp - TCP - stunnel - TLS - proxy under test - TLS - stunnel - TCP - sipp

A TCP connection of sipp is one TLS connection, as lasting as sipp's own.  The scenarios
say TLS in Via and Contact, as a sipp with TLS would, so both proxies are asked for the
same: one connection in each direction, the front end's certificate verified.
"""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proxy.net.tls import TlsFiles
from tests.bench.world import (
    CALLER,
    FRONT_ENDS,
    POOL,
    PROXY,
    PROXY_TLS,
    SECURE_FRONT_ENDS,
    World,
)
from tests.support.certificates import Authority

STUNNEL = """\
foreground = yes
pid =
debug = err
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
[front-end]
accept = {secure}
connect = {front_end}
cert = {certificate}
key = {key}
"""
CALLERS = """\
[callers-{tunnel}]
client = yes
accept = {tunnel}
local = {caller}
connect = {proxy}
"""
WAYPOST = """
[[listen]]
transport = "tls"
address = "{proxy}"
[tls]
certificate = "{certificate}"
key = "{key}"
ca = "{ca}"
"""
KAMAILIO = """\
[server:default]
method = TLSv1.2+
certificate = {certificate}
private_key = {key}
verify_certificate = no
require_certificate = no
[client:default]
method = TLSv1.2+
ca_list = {ca}
verify_certificate = yes
require_certificate = yes
server_name = {pool}
"""


def secured(scenario: Path, world: World) -> Path:
    """The scenario as a user agent behind TLS plays it.

    ``alias`` lets Kamailio use a caller's connection for requests to its Contact.
    """
    text = scenario.read_text()
    via = "SIP/2.0/[transport] [local_ip]:[local_port];"
    text = text.replace(via, f"{via}alias;").replace("[transport]", "TLS")
    if scenario.name.startswith("uas_"):
        own = "{}:{}".format(*SECURE_FRONT_ENDS[0])
        text = text.replace("[local_ip]:[local_port]", own)
    written = world.directory / scenario.name
    written.write_text(text)
    return written


def waypost(world: World) -> str:
    """What Waypost's configuration needs for TLS."""
    return WAYPOST.format(
        proxy=_joined(world.proxy_tls), **_files(world, world.proxy[0])
    )


def kamailio(world: World, template: str) -> str:
    """Kamailio's configuration with TLS in it."""
    config = world.directory / "tls.cfg"
    config.write_text(KAMAILIO.format(pool=POOL, **_files(world, PROXY[0])))
    listen = f"listen=tls:{_joined(PROXY_TLS)}"
    more = f'loadmodule "tls.so"\nmodparam("tls", "config", "{config}")\n'
    return template.replace(
        "@LISTEN@", f"@LISTEN@\nenable_tls=yes\ntcp_accept_aliases=yes\n{listen}"
    ).replace('loadmodule "sanity.so"\n', f'loadmodule "sanity.so"\n{more}')


@contextmanager
def tunnel(world: World, *others: World) -> Iterator[None]:
    """The stunnel that both ends go through; ``others`` are proxies beside this one."""
    config, log = world.directory / "stunnel.conf", world.directory / "stunnel.log"
    files = _files(world, POOL, SECURE_FRONT_ENDS[0][0])
    ends = {"secure": SECURE_FRONT_ENDS[0], "front_end": FRONT_ENDS[0]}
    text = STUNNEL.format(**{x: _joined(ends[x]) for x in ends}, **files)
    for each in (world, *others):
        where = {"tunnel": _joined(each.tunnel), "proxy": _joined(each.proxy_tls)}
        text += CALLERS.format(caller=CALLER, **where)
    config.write_text(text)
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["stunnel4", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _wait(process, log)
        yield
    finally:
        process.kill()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(SECURE_FRONT_ENDS[0], 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    process.kill()
    raise RuntimeError(f"stunnel did not start:\n{log.read_text()[-2000:]}")


def _files(world: World, *names: str) -> dict[str, str | None]:
    """A certificate for these names, all of one authority."""
    if world.authority is None:
        world.authority = Authority(world.directory)
    files: TlsFiles = world.authority.issue(*names)
    return {"certificate": files.certificate, "key": files.key, "ca": files.ca}


def _joined(address: tuple[str, int]) -> str:
    return "{}:{}".format(*address)
