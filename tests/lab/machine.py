"""A small Debian of its own, from the lab's base image: a chroot, or booted by systemd.

Booted, systemd is process 1 of namespaces of its own, with a cgroup of its own, so that
units run as they are shipped, sandbox included.  Where that is not allowed (no cgroup2,
no namespaces) each line runs alone in a chroot, and there are no units.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}
APART = ("--mount", "--net", "--pid", "--fork", "--kill-child")
IN_CHROOT = (
    'ip link set lo up 2>/dev/null; mount -t proc proc "$0/proc"; '
    'mount --bind /dev "$0/dev" && exec chroot "$0" sh -ec "$1"'
)
BOOT = r"""
root=$0
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
device() { mknod -m 666 "$root/dev/$1" c "$2" "$3"; }
device null 1 3; device zero 1 5; device full 1 7
device random 1 8; device urandom 1 9; device tty 5 0
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/shm" "$root/dev/pts" "$root/dev/mqueue"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ip link set lo up
cd "$root"
mkdir -p .old
pivot_root . .old
umount -l /.old
rmdir /.old
exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
    /lib/systemd/systemd
"""


class NoSystemdError(Exception):
    """systemd cannot run as process 1 here; the text says why."""


class Machine:
    """A root file system of its own, without a network."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._init = 0

    def __call__(self, line: str, code: int = 0) -> str:
        """Run a line as root; what it says.  Any other ``code`` fails the test."""
        if self._init:
            inside = ["nsenter", "-t", str(self._init), "--all", "sh", "-ec", line]
        else:
            inside = ["unshare", *APART, "bash", "-c", IN_CHROOT, str(self.root), line]
        return self._run(inside, line, code)

    def with_network(self, line: str) -> str:
        """The same in a chroot that sees this machine's network."""
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        apart = [word for word in APART if word != "--net"]
        inside = ["unshare", *apart, "bash", "-c", IN_CHROOT, str(self.root), line]
        return self._run(inside, line, 0)

    def install(self, package: Path) -> str:
        """``apt install ./package``; a configuration that was touched stays."""
        shutil.copy(package, self.root / "var/tmp")
        # Nobody pulls a plug here: dpkg need not wait for the disk after every file.
        chosen = ("--force-confold", "--force-unsafe-io")
        words = " ".join(f"-o Dpkg::Options::={each}" for each in chosen)
        said = self(f"apt-get install -y {words} /var/tmp/{package.name}")
        (self.root / "var/tmp" / package.name).unlink()
        return said

    @contextlib.contextmanager
    def booted(self) -> Iterator[None]:
        """systemd as process 1, and lines run beside it.  Raises NoSystemdError."""
        if not (self.root / "lib/systemd/systemd").exists():
            raise NoSystemdError("systemd is not installed in it")
        group = _cgroup2() / f"waypost-deb-{os.getpid()}"
        try:
            group.mkdir()
        except OSError as error:
            raise NoSystemdError(f"no cgroup of its own: {error}") from None
        said = self.root.with_name("boot.log")
        namespaces = ("--uts", "--ipc", "--cgroup")
        with said.open("wb") as log:
            line = ["unshare", *APART, *namespaces, "bash", "-ec", BOOT, str(self.root)]
            # In its cgroup before it begins, so that this is the root of its own view.
            join = f'echo $$ > "{group}/cgroup.procs" && exec "$@"'
            child = subprocess.Popen(
                ["sh", "-c", join, "sh", *line],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._init = _await_init(child, said)
            self._try_a_sandbox()
            yield
        finally:
            if self._init:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._init, signal.SIGKILL)
            child.kill()
            child.wait()
            self._init = 0
            _remove(group)

    def _try_a_sandbox(self) -> None:
        """Raises NoSystemdError where a machine lets no unit have one."""
        unit = self.root / "etc/systemd/system/try.service"
        unit.write_text(
            "[Service]\nType=oneshot\nExecStart=/bin/true\nPrivateDevices=yes\n"
            "PrivateTmp=yes\nProtectProc=invisible\nProtectSystem=strict\n"
            "ProtectKernelTunables=yes\nSystemCallFilter=@system-service\n"
        )
        try:
            self("systemctl daemon-reload; systemctl start try.service")
        except AssertionError as error:
            raise NoSystemdError(f"units get no sandbox here: {error}") from None
        finally:
            unit.unlink()

    def _run(self, line: list[str], what: str, code: int) -> str:
        done = subprocess.run(
            line,
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
            env=ENVIRONMENT,
        )
        assert done.returncode == code, f"{what}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr


def _cgroup2() -> Path:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2" and where.startswith("/sys/fs/cgroup"):
            return Path(where)
    raise NoSystemdError("no cgroup2 is mounted")


def _await_init(child: "subprocess.Popen[bytes]", said: Path) -> int:
    """The process id of systemd once it has started everything."""
    end = time.monotonic() + 60
    while time.monotonic() < end and child.poll() is None:
        time.sleep(0.2)
        path = Path(f"/proc/{child.pid}/task/{child.pid}/children")
        pids = path.read_text().split() if path.exists() else []
        if not pids:
            continue
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pids[0]}/comm").read_text().strip() != "systemd":
                continue
        line = ["nsenter", "-t", pids[0], "--all", "systemctl", "is-system-running"]
        state = subprocess.run(line, capture_output=True, text=True, env=ENVIRONMENT)
        if state.stdout.strip() in ("running", "degraded"):
            return int(pids[0])
    raise NoSystemdError(
        f"systemd does not start: {said.read_text('utf-8', 'replace')[-500:].strip()}"
    )


def _remove(group: Path) -> None:
    """The cgroup with all below it, once the last process is gone from it."""
    for _ in range(50):
        folders = sorted(group.rglob("*/"), key=lambda path: -len(path.parts))
        with contextlib.suppress(OSError):
            for folder in (*folders, group):
                folder.rmdir()
            return
        time.sleep(0.2)
