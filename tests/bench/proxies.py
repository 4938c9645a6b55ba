"""The proxies that are measured: Kamailio with either allocator, and Waypost."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from proxy.lab.service import command
from proxy.lab.setting import ALIAS, CONFIG
from tests.bench import registrar, tunnel
from tests.bench.peers import kind_of, running_peer
from tests.bench.world import DOMAIN, POOL, PROXY, World
from tests.support.kamailio import Kamailio
from tests.support.sip_probe import answers_options

NAMES = {
    "kamailio-qm": "Kamailio as Debian ships it",
    "kamailio-fm": "Kamailio, production allocator",
    "waypost": "Waypost as installed, same work",
    "waypost-default": "the same, access log and ledger on",
    "waypost-bare": "the same work, recorder off",
    "waypost-pure": "Waypost as plain Python, same work",
    "waypost-2": "Waypost, 2 workers",
    "kamailio-qm-2": "Kamailio as shipped, 2 children",
    "kamailio-fm-2": "Kamailio, prod. allocator, 2 ch.",
}
USUAL = list(NAMES)[:4]


def title(name: str) -> str:
    """How a proxy is called in a table; one given by its path, by its kind."""
    return NAMES.get(name) or f"{name.partition('=')[0]}, the build given"


# Kamailio's configuration here logs no calls and counts no users.
SAME_WORK = """
[log]
access = false
[usage]
ledger = false
"""
BARE = """
[recorder]
megabytes = 0
"""
BUILT = Path(__file__).parents[2] / ".venv-built" / "bin" / "waypost"


@contextmanager
def running(
    name: str,
    world: World,
    scenario: str,
    transport: str,
    more: str = "",
    under: Sequence[str] = (),
    fill: Callable[[Path], None] | None = None,
) -> Iterator[int]:
    """Start the proxy of that name for a scenario; its process id.

    ``name`` may be ``waypost=PATH``, too: another build's command.  ``more`` is added
    to Waypost's configuration, ``under`` is a tool that it runs under, and ``fill``
    puts more into its store.
    """
    is_secure = transport == "tls"
    if kind_of(name):
        yield from running_peer(name, world, scenario, transport)
        return
    if name.startswith("waypost"):
        line = command() if name == "waypost-pure" else _built(name)
        extra = registrar.WAYPOST if scenario == "register" else ""
        extra += "" if name == "waypost-default" or "=" in name else SAME_WORK
        extra += BARE if name == "waypost-bare" else ""
        extra += "[server]\nworkers = 2\n" if name == "waypost-2" else ""
        extra += tunnel.waypost(world) if is_secure else ""
        yield from _waypost(world, line, extra + more, is_secure, under, fill)
        return
    allocator, _, children = name.removeprefix("kamailio-").partition("-")
    if scenario == "register":
        kamailio = registrar.kamailio(world, allocator)
    else:
        kamailio = Kamailio(
            world.directory,
            PROXY,
            [world.kamailio_target],
            allocator=allocator,
            # It keeps each transaction 5 s after its end, about 15 KiB each.
            memory_mib=2000,
            children=int(children or 1),
        )
    if is_secure:
        kamailio.template = tunnel.kamailio(world, kamailio.template)
    kamailio.start()
    try:
        yield kamailio.pid
    finally:
        kamailio.stop()


def _built(name: str) -> list[str]:
    """The installed command, made by `make bench`; or the one that is named."""
    _, _, other = name.partition("=")
    path = Path(other) if other else BUILT
    if not path.exists():
        raise RuntimeError(f"{path} is missing: run `make bench`, which builds ours")
    # Its interpreter by name: a tool to run it under knows no "#!".
    return [str(path.parent / "python"), str(path)]


def _waypost(
    world: World,
    waypost: list[str],
    extra: str,
    is_secure: bool,
    under: Sequence[str] = (),
    fill: Callable[[Path], None] | None = None,
) -> Iterator[int]:
    config = world.directory / "waypost.toml"
    store = world.directory / "waypost.db"
    for path in world.directory.glob(f"{store.name}*"):
        path.unlink()
    host, port = world.proxy
    dns_host, dns_port = world.dns
    config.write_text(
        CONFIG.format(
            domain=DOMAIN,
            host=host,
            port=port,
            store=store,
            dns_host=dns_host,
            dns_port=dns_port,
        )
        + extra
    )
    orders = [["endpoint", "new", "--sip-address", ALIAS, "--pool-fqdn", POOL]]
    if is_secure:
        orders.append(["pool", "set", POOL, "--transport", "tls"])
    for words in orders:
        line = [*waypost, "--config", str(config), *words]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    if fill is not None:
        fill(store)
    log = world.directory / "waypost.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*under, *waypost, "--config", str(config), "serve"],
            stdout=output,
            stderr=output,
        )
    try:
        end = time.monotonic() + (180 if under else 15)
        while not answers_options(world.proxy):
            if time.monotonic() > end or process.poll() is not None:
                raise RuntimeError(f"waypost did not start:\n{log.read_text()[-2000:]}")
        yield process.pid
    finally:
        process.send_signal(signal.SIGINT)  # no drain
        try:
            process.wait(60 if under else 10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
