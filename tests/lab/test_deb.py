"""The Debian package in the lab's base image: installed, upgraded, removed, purged.

Needs root and some minutes, so it runs when asked: `make deb-test`.  There is no
systemd in a chroot: `systemd-analyze` judges the units elsewhere, and the service is
started as its account here.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.engine import ROOT, base_tarball

WANTED = os.environ.get("WAYPOST_DEB", "")
pytestmark = pytest.mark.skipif(not WANTED, reason="the package: make deb-test")
STORE = "/var/lib/waypost/waypost.db"
INIT = (
    "waypost init --domain contoso.com --pool-fqdn pcpool.contoso.com "
    "--sip-address sip:ocschat@contoso.com --listen 127.0.0.1:5060"
)


class Machine:
    """A root file system of its own; each line runs alone in it, without a network."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, line: str, code: int = 0) -> str:
        inside = (
            'ip link set lo up; mount -t proc proc "$0/proc"; '
            'mount --bind /dev "$0/dev" && exec chroot "$0" sh -ec "$1"'
        )
        apart = ("--mount", "--net", "--pid", "--fork", "--kill-child")
        done = subprocess.run(
            ["unshare", *apart, "bash", "-c", inside, str(self.root), line],
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": "/root",
                "LC_ALL": "C.UTF-8",
                "DEBIAN_FRONTEND": "noninteractive",
            },
        )
        assert done.returncode == code, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def install(self, package: Path) -> str:
        shutil.copy(package, self.root / "tmp")
        return self(f"apt-get install -y /tmp/{package.name}")


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="wp-deb-") as name:
        folder = Path(name)
        root = folder / "root"
        root.mkdir()
        base = base_tarball(folder)
        subprocess.run(["tar", "-C", str(root), "-xf", str(base)], check=True)
        yield Machine(root)


@pytest.fixture(scope="module")
def packages() -> tuple[Path, Path]:
    """The one to upgrade from, and the one to upgrade to."""
    old, new = map(Path, WANTED.split(":"))
    return old, new


def serve(machine: Machine, then: str) -> str:
    """Do something beside the service, as its account, and stop it politely."""
    return machine(
        "runuser -u waypost -- waypost serve >/tmp/serve.log 2>&1 & pid=$!; "
        "for _ in $(seq 300); do waypost status --ready >/dev/null 2>&1 && break; "
        "sleep 0.1; done; waypost status --ready || { cat /tmp/serve.log; exit 1; }; "
        f"{then}; kill $pid; wait $pid || true"
    )


def test_a_first_day_an_upgrade_and_the_end(
    machine: Machine, packages: tuple[Path, Path]
) -> None:
    old, new = packages
    assert 'type "waypost init"' in machine.install(old)
    look = "stat -c '%n %U:%G %a' /etc/waypost /etc/waypost/waypost.toml"
    assert "/etc/waypost root:waypost 750" in machine(look)
    assert "/etc/waypost/waypost.toml root:waypost 640" in machine(look)
    machine(INIT)
    made = machine(
        "runuser -u waypost -- waypost endpoint new --sip-address "
        "sip:ocschat@contoso.com --pool-fqdn pcpool.contoso.com"
    )
    assert "created sip:ocschat@contoso.com" in made
    assert "sip:ocschat@contoso.com" in serve(machine, "waypost endpoint get")

    before = machine(f"stat -c '%i %U:%G' {STORE}; md5sum /etc/waypost/waypost.toml")
    started = time.monotonic()
    machine.install(new)
    print(f"the upgrade took {time.monotonic() - started:.1f} s")
    assert machine("dpkg-query -W -f '${Version}' waypost") == version_of(new)
    after = machine(f"stat -c '%i %U:%G' {STORE}; md5sum /etc/waypost/waypost.toml")
    assert after == before
    assert "sip:ocschat@contoso.com" in serve(machine, "waypost endpoint get")
    assert "WAYPOST" in machine("zcat /usr/share/man/man1/waypost.1.gz | head -1")
    found = "test -s /usr/share/bash-completion/completions/waypost"
    machine(f"{found}; ! grep -rIl {ROOT} /opt/waypost /lib/systemd")

    machine("apt-get remove -y waypost")
    machine(f"test -s {STORE}; test -s /etc/waypost/waypost.toml")
    machine("test ! -e /opt/waypost; ! command -v waypost; getent passwd waypost")
    machine.install(new)
    assert "sip:ocschat@contoso.com" in machine(
        "runuser -u waypost -- waypost endpoint get"
    )
    machine("apt-get purge -y waypost")
    machine("test ! -e /var/lib/waypost; test ! -e /etc/waypost")


def version_of(package: Path) -> str:
    done = subprocess.run(
        ["dpkg-deb", "-f", str(package), "Version"], capture_output=True, text=True
    )
    return done.stdout.strip()
