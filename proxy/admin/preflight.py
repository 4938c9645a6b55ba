"""``config check``: everything that start does, short of listening.

Each step looks at one thing of this machine that a valid configuration needs and
tells what to do when it is not right.  Nothing is ok that was not seen: an address is
taken for a moment, a name server is asked a question.  Nothing is created; an existing
store is opened as start would open it, so one of an older version is migrated.
"""

import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from proxy import clock
from proxy.admin.counted import counted
from proxy.admin.name_servers import ask_name_servers, route_step
from proxy.admin.places import Places
from proxy.config import Config, ListenSection, TlsSection
from proxy.config.keys import KeyFileError, read_keys
from proxy.endpoints.address import Refused, normalise_address
from proxy.facts.model import Verdict
from proxy.net.errors import NetError
from proxy.net.rehearsal import rehearse
from proxy.net.tls import TlsFiles
from proxy.net.tls_trouble import explain
from proxy.store import StoreError, User, open_store
from proxy.store.factory import sqlite_path
from proxy.store.sqlite.place import obstacle

WARN_DAYS = 14
"""The alert on certificates begins as early."""
RESOLV_CONF = Path("/etc/resolv.conf")
_CONSOLE: Final = ("fastapi", "uvicorn")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was checked; ``text`` is what was found, or what to do.

    With a ``warning`` it starts and something is not right; ``unknown`` is what cannot
    be judged from here, and the text says what would have to be true to know it.
    """

    name: str
    verdict: Verdict
    text: str

    @property
    def ok(self) -> bool:
        """It keeps nothing from starting."""
        return self.verdict != "failed"

    @property
    def doubt(self) -> bool:
        """It starts, and yet."""
        return self.verdict in ("warning", "unknown")

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Step":
        """What another process has found; raises KeyError, TypeError."""
        return cls(values["name"], values["verdict"], values["text"])

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "name": self.name,
            "ok": self.ok,
            "text": self.text,
            "doubt": self.doubt,
            "verdict": self.verdict,
        }


async def check(config: Config) -> list[Step]:
    """All steps, failed ones too; the configuration itself is valid already."""
    places = Places(config)
    return [
        Step("config", "ok", f"{config.path} is valid"),
        *(Step(*place) for place in places.look()),
        *_tls(config),
        *_console(config, places),
        *_keys(config),
        *_boundary(config),
        *_forgotten(config),
        Step("dns", *await ask_name_servers(config, RESOLV_CONF)),
        Step("route", *await route_step(config)),
        *await _store(config),
    ]


def _console(config: Config, places: Places) -> Iterator[Step]:
    """What ``waypost console`` needs, where its section is filled in."""
    own = config.console
    if own.as_table() == type(own)().as_table():
        return
    missing = [name for name in _CONSOLE if find_spec(name) is None]
    if missing:
        text = "the console is not installed here: pip install 'waypost[console]'"
        yield Step("console", "warning", text)
    files = config.console_files()
    if files.certificate is not None:
        yield _files("console tls", TlsFiles(*_texts(files.certificate, files.key)))
    elif not own.is_loopback and not own.behind:
        yield Step(
            "console",
            "failed",
            f"{own.listen} can be reached from other machines: name certificate and "
            "key in [console] or [tls], or the reverse proxy before it in behind",
        )
    yield Step("console", *places.console(own.address))


def _tls(config: Config) -> Iterator[Step]:
    for listen in config.listen:
        if listen.transport == "tls":
            step = _tls_files(config, listen, f"tls {listen.address}")
            yield _identity(config, listen, step) if step.ok else step
    files = config.tls
    if files.certificate or files.key or files.ca:
        yield _tls_files(config, None, "tls to pools")
    for pool in config.pool:
        yield _tls_files(config, pool, f"tls to {pool.fqdn}")


def _tls_files(config: Config, section: TlsSection | None, name: str) -> Step:
    return _files(name, _paths(config, section))


def _files(name: str, files: TlsFiles) -> Step:
    """Load what a TLS context would load."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if files.ca is not None:
            context.load_verify_locations(files.ca)
        if files.certificate is not None:
            # An empty passphrase: without one OpenSSL would ask on the terminal.
            context.load_cert_chain(files.certificate, files.key, password="")
    except OSError as error:  # ssl.SSLError is one
        text = explain(files.certificate, files.key, files.ca, error)
        return Step(name, "failed", text)
    return Step(name, "ok", str(files.certificate or files.ca))


def _paths(config: Config, section: TlsSection | None) -> TlsFiles:
    paths = config.tls_files(section)
    files = (paths.certificate, paths.key, paths.ca)
    return TlsFiles(*_texts(*files))


def _texts(*paths: Path | None) -> list[str | None]:
    return [None if each is None else str(each) for each in paths]


def _identity(config: Config, listen: ListenSection, step: Step) -> Step:
    """Whether peers would accept the certificate as ours; the start asks the same."""
    host = config.advertised_host
    try:
        shown = rehearse(
            _paths(config, listen),
            host.strip("[]") if host else None,
            listen.minimum_version or config.tls.minimum_version,
        )
    except NetError as error:
        return Step(step.name, "failed", str(error))
    if shown.doubt:
        return Step(step.name, "warning", shown.doubt)
    days = int((shown.expires - clock.wall()) // 86_400)
    which = f" (that of {shown.weakest} in its chain)" if shown.weakest else ""
    names = ", ".join(shown.names) or "no name"
    if days < WARN_DAYS:
        text = f"{step.text}: {names}; ends in {days} days{which}: renew it"
        return Step(step.name, "warning", text)
    return Step(step.name, "ok", f"{step.text}: {names}")


def _boundary(config: Config) -> Iterator[Step]:
    """[MS-SIPAE]: a client that signs takes no answer of ours."""
    for listen in config.listen:
        if listen.first_hop:
            yield Step(
                "boundary",
                "unknown",
                f"clients connect to {listen.address} directly (topology C), which is"
                " ruled out where they sign their messages (NTLM, Kerberos, TLS-DSK)"
                " and the pool does not: they drop its answers, and our errors."
                " Topologies A and B of docs/topologies.md have no such limit",
            )


def _keys(config: Config) -> Iterator[Step]:
    """The key file, when there is one."""
    path = config.file(config.proxy.key_file or None)
    if path is None:
        return
    try:
        count = len(read_keys(path))
    except KeyFileError as error:
        yield Step("keys", "failed", str(error))
    else:
        yield Step("keys", "ok", f"{count} in {path}, the first one signs")


async def _store(config: Config) -> list[Step]:
    url = config.effective()["store"]["url"]
    path = sqlite_path(config.store_url)
    if path is not None and not os.path.exists(path):
        why_not = obstacle(path)
        if why_not is not None:
            return [Step("store", "failed", str(why_not))]
        return [Step("store", "ok", f"{url} will be made at start")]
    try:
        store = await open_store(config.store_url)
        try:
            await store.try_write()
            table = await store.load_table()
            users = await store.users()
        finally:
            await store.close()
    except StoreError as error:
        return [Step("store", "failed", str(error))]
    endpoints = counted(len(table.endpoints), "endpoint")
    found = f"{url}: {endpoints}, {counted(len(table.pools), 'pool')}"
    steps = [Step("store", "ok", found)]
    for endpoint in table.endpoints.values():
        try:
            normalise_address(endpoint.sip_address, config.domains)
        except Refused as refusal:
            steps.append(Step("endpoint", "failed", str(refusal)))
    if config.registrar.enabled:
        steps.append(_registrar(config, users))
    elif users:
        steps.append(_not_enabled(f"there are users ({len(users)})"))
    return steps


def _forgotten(config: Config) -> Iterator[Step]:
    """A section with values that do nothing."""
    keys = config.registrar.as_table().items()
    default = type(config.registrar)().as_table()
    filled = [key for key, value in keys if value != default[key]]
    if filled and not config.registrar.enabled:
        yield _not_enabled(f"{', '.join(filled)} is set")


def _not_enabled(why: str) -> Step:
    text = (
        f"{why}, and the registrar is not enabled, so a REGISTER is passed on: write "
        "enabled = true in section [registrar]"
    )
    return Step("registrar", "warning", text)


def _registrar(config: Config, users: list[User]) -> Step:
    """At least one client must be able to register, and every password must fit the
    realm."""
    realm = config.realm
    strangers = [user.name for user in users if user.realm != realm]
    networks = config.registrar.trusted_networks
    if strangers:
        return Step(
            "registrar",
            "failed",
            f'{", ".join(strangers)}: a password for another realm than "{realm}"; '
            'give a new one with "waypost user set", or put realm back',
        )
    if (
        not networks
        and not users
        and all(x.verify_client == "none" for x in config.listen)
    ):
        return Step(
            "registrar",
            "failed",
            "nobody could register: name trusted_networks in section [registrar], or "
            'create users with "waypost user new"',
        )
    trusted = ", ".join(networks) or "no network"
    return Step("registrar", "ok", f"{counted(len(users), 'user')}; {trusted} trusted")
