"""Compile the message path with mypyc when the machine can, and pack the defaults.

The same files run as plain Python: a machine without a C compiler, or
``WAYPOST_PURE=1``, gives a pure installation that does the same work at about twice
the cost (``docs/performance.md``).
"""

import os
import sys
from glob import glob
from pathlib import Path

# Before mypyc, whose own complaint would name anything but the reason.
if sys.version_info < (3, 11):  # noqa: UP036
    found = ".".join(map(str, sys.version_info[:2]))
    sys.exit(
        f"Waypost needs Python 3.11 or newer, and this is {found} ({sys.executable}): "
        "run `python3.11 -m venv DIR`, then DIR/bin/pip install"
    )

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

_NET = (
    *("direct_transport", "plain_transport", "tls_transport"),
    *(f"datagrams/{name}" for name in ("aside", "backlog", "depth", "steady", "udp")),
    *("outbox", "stream_flow", "wait"),
)
HOT = [
    *glob("proxy/sip/*.py"),
    *glob("proxy/transaction/*.py"),
    *glob("proxy/core/**/*.py", recursive=True),
    *(f"proxy/pools/{name}.py" for name in ("front_end", "health", "selection", "srv")),
    *(f"proxy/net/{name}.py" for name in _NET),
    "proxy/server/carrier.py",
    *(
        f"proxy/recorder/{name}.py"
        for name in ("book", "chunk", "line", "page", "tape")
    ),
    *(f"proxy/telemetry/{name}.py" for name in ("access", "recent", "tally")),
    *(f"proxy/endpoints/{name}.py" for name in ("request_uri", "usage_book")),
    "proxy/location/service.py",
]


def profile_flags(folder: str) -> list[str]:
    """What gcc is told of the profile in ``folder``: to make one, or to use it."""
    if not folder:
        return []
    if not glob(f"{folder}/*.gcda"):
        return [f"-fprofile-generate={folder}", "-fprofile-update=prefer-atomic"]
    # Threads count without a lock, and what was never called has no counts.
    quiet = ("-fprofile-correction", "-Wno-missing-profile", "-Wno-coverage-mismatch")
    return [f"-fprofile-use={folder}", *quiet]


PROFILE = profile_flags(os.environ.get("WAYPOST_PROFILE", ""))
"""See `packaging/wheel`, which builds twice and trains in between."""

PRINTED = (
    "config/waypost.toml",
    "config/powershell/Get-WaypostFacts.ps1",
    "config/powershell/Waypost.psm1",
)


def extensions() -> list[Extension]:
    """The compiled modules; none when that is not wanted or not possible."""
    if os.environ.get("WAYPOST_PURE") == "1":
        return []
    try:
        from mypyc.build import mypycify
    except ImportError:
        return []
    plain = ("__init__.py", "sip/native.py")
    sources = sorted(path for path in HOT if not path.endswith(plain))
    found: list[Extension] = mypycify(
        ["--config-file=", "--ignore-missing-imports", *sources],
        # 0 compiles in a fraction of the time, for a build that is only tried.
        # A profile knows better than -O3 where to inline and to unroll.
        opt_level=os.environ.get("WAYPOST_OPTIMIZE", "2" if PROFILE else "3"),
        debug_level="0",
    )
    for extension in found:
        extension.extra_compile_args += PROFILE
        extension.extra_link_args += PROFILE[:1]
    # The limited interface is CPython's promise to serve any later version as well.
    scanner = Extension(
        "proxy.sip.scanner",
        ["proxy/sip/scanner.c"],
        py_limited_api=True,
        extra_compile_args=["-O3"],
    )
    found.append(scanner)
    for extension in found:
        extension.optional = True  # no compiler: install without
    return found


class BuildWithDefaults(build_py):
    """Put what commands print into the package: ``config default``, ``facts script``.

    No symbolic link in the tree does that: not every way a tree travels keeps one.
    """

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            packed = Path(self.build_lib, "proxy/config")
            for source in PRINTED:
                self.copy_file(source, str(packed / Path(source).name))


setup(ext_modules=extensions(), cmdclass={"build_py": BuildWithDefaults})
