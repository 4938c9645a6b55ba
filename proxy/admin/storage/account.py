"""Whether the account of the service owns a store's file and can write it.

Judged by owners and modes, so root can ask for the service as well.  The account is
that of the process which has the file open.  Without one it is ``waypost`` where the
store is in the folder of the shipped units, else the owner of the folder.
"""

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from proxy.admin.doctor.verdicts import Step
from proxy.store.sqlite.holders import pid_of

ACCOUNT: Final = "waypost"
HOME: Final = Path("/var/lib/waypost")
_BESIDE: Final = ("", "-wal", "-shm")


def steps(path: Path) -> Iterator[Step]:
    """Owner, mode, and what that account may not write; raises OSError."""
    of, found = path.name, path.stat()
    wanted = _service_of(path)
    owner = f"{name_of(found.st_uid)}:{_group(found.st_gid)}"
    if wanted not in (found.st_uid, 0):
        text = f"{owner}, and the service runs as {name_of(wanted)}"
        fix = f'"chown {name_of(wanted)}: {path}*", as root'
        yield Step(of, "owner", "failed", text, fix)
    else:
        yield Step(of, "owner", "ok", owner)
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        text = f"{mode:04o}: others can read secrets and who calls whom"
        yield Step(of, "mode", "warning", text, f'"chmod 600 {path}*"')
    else:
        yield Step(of, "mode", "ok", f"{mode:04o}")
    yield _writable(of, path, wanted)


def _writable(of: str, path: Path, uid: int) -> Step:
    who = name_of(uid)
    for each in (Path(f"{path}{end}") for end in _BESIDE):
        if each.exists() and not may(each, uid, 0o6):
            fix = f'"chown {who}: {path}*" and "chmod 600 {path}*", as root'
            text = f"{who} may not read and write {each}"
            return Step(of, "writable", "failed", text, fix)
    if not may(path.parent, uid, 0o3):
        text = f"{who} may not make files in {path.parent}, where the log belongs"
        fix = f'"chown {who}: {path.parent}" and "chmod 750 {path.parent}", as root'
        return Step(of, "writable", "failed", text, fix)
    if os.statvfs(path.parent).f_flag & os.ST_RDONLY:
        text, fix = "its file system is read-only", "mount it for writing"
        return Step(of, "writable", "failed", text, fix)
    return Step(of, "writable", "ok", f"by {who}")


def may(path: Path, uid: int, bits: int) -> bool:
    """Whether an account has all of these rights (r 4, w 2, x 1) by owner and mode."""
    if uid == 0:
        return True
    found = path.stat()
    shift = 3 if found.st_gid in _groups_of(uid) else 0
    if found.st_uid == uid:
        shift = 6
    return (found.st_mode >> shift) & bits == bits


def _service_of(path: Path) -> int:
    pid = pid_of(path)
    if pid is not None and pid > 0:
        try:
            return os.stat(f"/proc/{pid}").st_uid
        except OSError:
            pass
    if path.parent == HOME:
        try:
            return pwd.getpwnam(ACCOUNT).pw_uid
        except KeyError:
            pass
    return path.parent.stat().st_uid


def _groups_of(uid: int) -> list[int]:
    try:
        account = pwd.getpwuid(uid)
    except KeyError:
        return []
    return os.getgrouplist(account.pw_name, account.pw_gid)


def name_of(uid: int) -> str:
    """An account's name, its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
