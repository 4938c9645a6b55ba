"""``waypost init``: writes a first configuration, and proves that it can be used.

The system's configuration belongs to the service: its account, its store in
``/var/lib/waypost`` and its units come with it.  Any other file is of the person who
writes it: the store is in the same folder, and nothing else of the machine is touched.
"""

import asyncio
import json
import os
import pwd
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.admin import preflight
from proxy.admin.control import ControlError
from proxy.admin.first_day import machine
from proxy.admin.first_day.answers import Answers
from proxy.admin.first_day.filled_in import BESIDE, filled_in
from proxy.admin.first_day.machine import Placed
from proxy.admin.preflight import Step
from proxy.config.file import find_config, load_config, parse_config
from proxy.config.problems import ConfigError


@dataclass(slots=True)
class Begun:
    """What was written, for whom, whether it works, and what to type next."""

    config: Path
    store: str
    account: str
    written: list[Path]
    kept: list[Path]
    notes: list[str] = field(default_factory=list)
    checks: list[Step] = field(default_factory=list)
    next: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the service could start with it."""
        return all(step.ok for step in self.checks)

    def to_json(self) -> dict[str, Any]:
        """All of it for scripts."""
        return {
            "ok": self.ok,
            "config": str(self.config),
            "store": self.store,
            "account": self.account,
            "written": list(map(str, self.written)),
            "kept": list(map(str, self.kept)),
            "notes": self.notes,
            "checks": [step.to_json() for step in self.checks],
            "next": self.next,
        }


def where(named: str | None) -> Path:
    """The file to write: named, else the system's for root, else one in this folder."""
    chosen = named or os.environ.get("WAYPOST_CONFIG")
    if chosen:
        return Path(chosen).absolute()
    return machine.CONFIG if os.geteuid() == 0 else Path("waypost.toml").absolute()


def set_up(path: Path, answers: Answers, is_forced: bool, wants_units: bool) -> Begun:
    """Write what is needed at ``path``; raises ControlError, having written nothing
    unless it says so."""
    is_systems = path == machine.CONFIG
    text = filled_in(answers, None if is_systems else BESIDE)
    try:
        config = parse_config(path, text.encode(), {})
    except ConfigError as error:
        raise ControlError(f"these answers do not go together: {error}") from None
    units = _units(answers) if is_systems and wants_units else {}
    machine.must_not_be_there({path: text, **units}, is_forced)
    done = Placed()
    owner = None
    if is_systems:
        owner = _for_the_service(path, text, units, done)
    else:
        machine.place(path, text, 0o600, done)
    name = owner.pw_name if owner else pwd.getpwuid(os.geteuid()).pw_name
    begun = Begun(path, config.store_url, name, done.written, done.kept)
    begun.notes = list(_notes(answers, is_systems, owner))
    begun.checks = _checked(path, owner)
    begun.next = _next(path, answers, owner, bool(units) or is_systems)
    return begun


def _units(answers: Answers) -> dict[Path, str]:
    if not machine.has_systemd():
        return {}
    if machine.has_units():
        return machine.socket_of(str(answers.listen))
    return machine.units(program(), str(answers.listen))


def _for_the_service(
    path: Path, text: str, units: dict[Path, str], done: Placed
) -> pwd.struct_passwd | None:
    """The system's configuration, readable by the account, and what goes with it."""
    for unit, what in units.items():
        machine.place(unit, what, 0o644, done)
    owner = machine.make_account() if units else machine.account()
    machine.place(path, text, 0o640, done)
    if owner is not None and os.geteuid() == 0:
        machine.give_to(path.parent, 0, owner.pw_gid, 0o750)
        machine.give_to(path, 0, owner.pw_gid, 0o640)
    machine.make_store_folder(owner)
    return owner


def program() -> str:
    """The command that runs here, by its whole name."""
    beside = Path(sys.executable).with_name("waypost")
    return str(beside) if beside.exists() else shutil.which("waypost") or "waypost"


def _notes(
    answers: Answers, is_systems: bool, owner: pwd.struct_passwd | None
) -> list[str]:
    found = []
    host = answers.advertised_host
    if host is not None and "." not in host:
        found.append(
            f'advertised_host is "{host}", this machine\'s name: Lync wants a full '
            "name that resolves to it (--advertised-host proxy.contoso.com)"
        )
    if is_systems and not machine.has_systemd():
        found.append(
            "there is no systemd here, so no units were written: have your supervisor "
            "run `waypost serve` and end it with SIGTERM (docs/deploy.md)"
        )
    if is_systems and owner is None:
        found.append(
            f"there is no account {machine.ACCOUNT} here: the service would run as the "
            "account that starts it, and that one must own /var/lib/waypost"
        )
    return found


def _checked(path: Path, owner: pwd.struct_passwd | None) -> list[Step]:
    """``config check`` as the account that will use it."""
    if owner is None or os.geteuid() != 0:
        return asyncio.run(preflight.check(load_config(path, {})))
    line = [program(), "--config", str(path), "--json", "config", "check"]
    try:
        ran = subprocess.run(
            line,
            capture_output=True,
            text=True,
            user=owner.pw_uid,
            group=owner.pw_gid,
            extra_groups=[],
            cwd="/",
            timeout=60,
        )
        return [Step.from_json(step) for step in json.loads(ran.stdout)]
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        subprocess.TimeoutExpired,
    ) as error:
        why = error.strerror if isinstance(error, OSError) else "it says nothing"
        return [
            Step(
                "account",
                "failed",
                f"{owner.pw_name} cannot run {line[0]} ({why}): install Waypost where "
                "every account can read it, such as /opt/waypost",
            )
        ]


def _next(
    path: Path, answers: Answers, owner: pwd.struct_passwd | None, is_systems: bool
) -> list[str]:
    """The commands that lead to a first call, in order."""
    full = program()
    short = "waypost" if shutil.which("waypost") else full
    lead = shlex.quote(short)
    if not (is_systems and _is_found(path)):
        lead += f" --config {shlex.quote(str(path))}"
    as_account = ""
    if owner is not None and os.geteuid() == 0:
        as_account = (
            f"sudo -u {owner.pw_name} "
            if shutil.which("sudo")
            else f"runuser -u {owner.pw_name} -- "
        )
    pool, alias = shlex.quote(answers.pool_fqdn), shlex.quote(answers.sip_address)
    serve = f"{as_account}{lead} serve"
    if is_systems and machine.has_systemd():
        serve = "systemctl enable --now waypost.socket waypost.service"
    return [
        f"{lead} pool show {pool}",
        f"{as_account}{lead} endpoint new --sip-address {alias} --pool-fqdn {pool}",
        serve,
        f"{as_account}{lead} doctor",
    ]


def _is_found(path: Path) -> bool:
    try:
        return find_config(None).absolute() == path
    except ConfigError:
        return False
