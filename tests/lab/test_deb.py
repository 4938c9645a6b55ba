"""The Debian package in the lab's base image: installed, upgraded, removed, purged.

Needs root and some minutes, so it runs when asked: `make deb-test`, which CI does.  The
units run under a systemd of the image's own where a machine lets it boot; where not,
the unit's ExecStart runs as the unit's account, and the test says so.
"""

import contextlib
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.engine import ROOT, base_tarball
from tests.lab.machine import Machine, NoSystemdError

WANTED = os.environ.get("WAYPOST_DEB", "")
pytestmark = pytest.mark.skipif(not WANTED, reason="the package: make deb-test")
CONFIG = "/etc/waypost/waypost.toml"
STORE = "/var/lib/waypost/waypost.db"
BACKUPS = "/var/lib/waypost-backup"
ALIAS = "sip:ocschat@contoso.com"
INIT = (
    "waypost init --domain contoso.com --pool-fqdn pcpool.contoso.com "
    f"--sip-address {ALIAS} --listen 127.0.0.1:5060"
)
READY = (
    "for _ in $(seq 300); do waypost status --ready >/dev/null 2>&1 && break; "
    "sleep 0.1; done; waypost status --ready"
)


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


def test_a_first_day_an_upgrade_and_the_end(
    machine: Machine, packages: tuple[Path, Path]
) -> None:
    systemd = "apt-get install -y --no-install-recommends systemd"
    with contextlib.suppress(AssertionError):  # `booted` says that it is missing
        machine.with_network(f"apt-get update && {systemd}")
    try:
        with machine.booted():
            a_life(machine, packages, by_systemd)
            assert "0 loaded units" in machine("systemctl --failed --no-pager")
    except NoSystemdError as why:
        print(f"the unit's ExecStart as its account, because {why}")
        a_life(machine, packages, by_hand)


Serve = Callable[[Machine, str], str]
"""Have the service run, do something beside it, and say what that said."""


def by_systemd(machine: Machine, then: str) -> str:
    """As the administrator does it; afterwards it goes on running."""
    machine("systemctl enable --now waypost.socket waypost.service")
    said = machine(f"{READY}; {then}")
    pid = machine("systemctl show -P MainPID waypost.service").strip()
    assert machine(f"stat -c %U /proc/{pid}").strip() == "waypost"
    assert machine("systemctl is-active waypost.socket").strip() == "active"
    return said


def by_hand(machine: Machine, then: str) -> str:
    """As its account, and stopped politely."""
    return machine(
        "runuser -u waypost -- waypost serve >/tmp/serve.log 2>&1 & pid=$!; "
        f"{READY} || {{ cat /tmp/serve.log; exit 1; }}; "
        f"{then}; kill $pid; wait $pid || true"
    )


def a_life(machine: Machine, packages: tuple[Path, Path], serve: Serve) -> None:
    """From the first day to the last."""
    old, new = packages
    assert 'type "waypost init"' in machine.install(old)
    look = f"stat -c '%n %U:%G %a' /etc/waypost {CONFIG}"
    assert "/etc/waypost root:waypost 750" in machine(look)
    assert f"{CONFIG} root:waypost 640" in machine(look)
    machine(INIT)
    made = machine(
        "runuser -u waypost -- waypost endpoint new "
        f"--sip-address {ALIAS} --pool-fqdn pcpool.contoso.com"
    )
    assert f"created {ALIAS}" in made
    assert ALIAS in serve(machine, "waypost endpoint get")

    an_upgrade(machine, new, serve)
    assert "WAYPOST" in machine("zcat /usr/share/man/man1/waypost.1.gz | head -1")
    machine("test -s /usr/share/bash-completion/completions/waypost")
    machine(f"! grep -rIl {ROOT} /opt/waypost /lib/systemd")
    where = "import proxy.core.proxy as m; print(m.__file__)"
    assert ".so" in machine(f"cd / && /opt/waypost/bin/python3 -c '{where}'")

    machine("apt-get remove -y waypost")
    machine(f"test -s {STORE}; test -s {CONFIG}")
    machine("test ! -e /opt/waypost; ! command -v waypost; getent passwd waypost")
    machine.install(new)
    seen = machine("runuser -u waypost -- waypost endpoint get")
    assert ALIAS in seen
    machine("apt-get purge -y waypost")
    machine("test ! -e /var/lib/waypost; test ! -e /etc/waypost")
    machine("! find /etc/systemd/system -name 'waypost*' | grep .")


def an_upgrade(machine: Machine, new: Path, serve: Serve) -> None:
    """Store, configuration and what ran before are there afterwards."""
    look = f"stat -c '%i %U:%G' {STORE}; md5sum {CONFIG}"
    before = machine(look)
    pid = "systemctl show -P MainPID waypost.service"
    running = machine(pid).strip() if serve is by_systemd else ""
    started = time.monotonic()
    machine.install(new)
    print(f"the upgrade took {time.monotonic() - started:.1f} s")
    assert machine("dpkg-query -W -f '${Version}' waypost") == version_of(new)
    assert machine(look) == before
    if serve is by_systemd:
        # It runs, and it is the new one.
        machine(READY)
        assert machine(pid).strip() not in ("0", running)
        machine("systemctl start waypost-backup.service")
        assert re.search(r"\S", machine(f"ls {BACKUPS}"))
        assert "waypost-backup.timer" in machine(
            "systemctl enable --now waypost-backup.timer 2>&1; "
            "systemctl list-timers --no-pager"
        )
    assert ALIAS in serve(machine, "waypost endpoint get")


def version_of(package: Path) -> str:
    done = subprocess.run(
        ["dpkg-deb", "-f", str(package), "Version"], capture_output=True, text=True
    )
    return done.stdout.strip()
