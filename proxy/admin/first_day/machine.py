"""What a service needs from its machine, and does not have on its first day.

The account, the folders of configuration and store, and the units of systemd; as
``docs/deploy.md`` says it for people who do it by hand.
"""

import errno
import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from proxy.admin.control import ControlError
from proxy.admin.files import make_whole, write_whole
from proxy.admin.first_day.answers import EVERYWHERE
from proxy.config.file import default_text

ACCOUNT: Final = "waypost"
CONFIG: Final = Path("/etc/waypost/waypost.toml")
STORE: Final = Path("/var/lib/waypost")
UNITS: Final = Path("/etc/systemd/system")
SYSUSERS: Final = Path("/etc/sysusers.d/waypost.conf")
PACKAGED: Final = (Path("/usr/lib/systemd/system"), Path("/lib/systemd/system"))
_UNIT: Final = "waypost.service"
_SERVED_BY: Final = "/opt/waypost/bin/waypost"
"""The command that the shipped units name."""


@dataclass(slots=True)
class Placed:
    """What was done, and where the old of it is."""

    written: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)


def has_systemd() -> bool:
    """Whether systemd runs this machine."""
    return Path("/run/systemd/system").is_dir()


def has_units() -> bool:
    """Whether a package has brought the units already."""
    return any((folder / _UNIT).is_file() for folder in PACKAGED)


def account() -> pwd.struct_passwd | None:
    """The service's account, when there is one."""
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        return None


def shipped_units() -> Path | None:
    """The folder of our unit files: of an installation, or of a checkout."""
    places = (
        Path(sys.prefix) / "share/waypost/systemd",
        Path(__file__).parents[3] / "config/systemd",
    )
    return next((place for place in places if place.is_dir()), None)


def units(command: str, listen: str) -> dict[Path, str]:
    """The unit files to write, for a command and the address that we answer on."""
    folder = shipped_units()
    if folder is None:
        return {}
    service = (folder / _UNIT).read_text("utf-8").replace(_SERVED_BY, command)
    sockets = (folder / "waypost.socket").read_text("utf-8")
    return {
        SYSUSERS: (folder / "sysusers.conf").read_text("utf-8"),
        UNITS / _UNIT: service,
        UNITS / "waypost.socket": sockets.replace(EVERYWHERE, listen),
    }


def socket_of(listen: str) -> dict[Path, str]:
    """What a package's socket unit needs for another address than its own."""
    if listen == EVERYWHERE:
        return {}
    text = (
        "# The address of [[listen]] in place of the unit's own.\n"
        "[Socket]\nListenDatagram=\nListenStream=\n"
        f"ListenDatagram={listen}\nListenStream={listen}\n"
    )
    return {UNITS / "waypost.socket.d/listen.conf": text}


def must_be_free(path: Path, is_forced: bool) -> None:
    """Refuse before anybody is asked what could not be written there.

    Raises ControlError.
    """
    must_not_be_there({path: default_text()}, is_forced)
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        number = errno.EACCES if folder.is_dir() else errno.ENOTDIR
        raise ControlError(_unwritable(path, OSError(number, os.strerror(number))))


def must_not_be_there(files: dict[Path, str], is_forced: bool) -> None:
    """Refuse to write over what somebody else may have written.

    The default configuration as we ship it is nobody's.  Raises ControlError.
    """
    taken = []
    for path, text in files.items():
        try:
            there = path.read_text("utf-8", "surrogateescape")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ControlError(_unwritable(path, error)) from None
        if there not in (text, default_text()):
            taken.append(str(path))
    if taken and not is_forced:
        raise ControlError(
            f"{', '.join(taken)} is there already, and nothing was written: --force "
            "replaces it and keeps the old one beside it, as FILE.old"
        )


def make_account() -> pwd.struct_passwd | None:
    """The service's account, made when it is missing; None where nothing makes it."""
    found = account()
    program = shutil.which("systemd-sysusers")
    if found is not None or program is None:
        return found
    done = subprocess.run([program, str(SYSUSERS)], capture_output=True, text=True)
    if done.returncode:
        raise ControlError(
            f"systemd-sysusers could not make the account {ACCOUNT}: "
            f"{done.stderr.strip() or done.returncode}"
        )
    return account()


def place(path: Path, text: str, mode: int, done: Placed) -> None:
    """Write one file whole; an old one that is another stays beside it.

    Raises ControlError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            before = path.read_bytes()
            if before == text.encode():
                return
            if before != default_text().encode():
                old = _free_beside(path)
                make_whole(old, before, mode)
                done.kept.append(old)
            write_whole(path, text.encode(), mode)
        else:
            make_whole(path, text.encode(), mode)
    except OSError as error:
        raise ControlError(_unwritable(path, error)) from None
    done.written.append(path)


def _free_beside(path: Path) -> Path:
    """``FILE.old``, or with a number where that is taken: nothing old is lost."""
    names = (f"{path.name}.old{number or ''}" for number in range(10_000))
    return next(each for name in names if not (each := path.with_name(name)).exists())


def give_to(path: Path, uid: int, gid: int, mode: int) -> None:
    """Owner, group and mode of a file or folder; raises ControlError."""
    try:
        os.chown(path, uid, gid)
        os.chmod(path, mode)
    except OSError as error:
        raise ControlError(_unwritable(path, error)) from None


def make_store_folder(owner: pwd.struct_passwd | None) -> None:
    """``/var/lib/waypost``, the account's own; raises ControlError."""
    try:
        STORE.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ControlError(_unwritable(STORE, error)) from None
    if owner is not None:
        give_to(STORE, owner.pw_uid, owner.pw_gid, 0o750)


def _unwritable(path: Path, error: OSError) -> str:
    text = f"{path} cannot be written ({error.strerror})"
    if isinstance(error, PermissionError) and os.geteuid():
        text += ": type it as root, or name a file of your own, --config waypost.toml"
    return text
