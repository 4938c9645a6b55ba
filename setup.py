"""Compile the message path with mypyc when the machine can.

The same files run as plain Python: a machine without a C compiler, or
``WAYPOST_PURE=1``, gives a pure installation that does the same work at about twice
the cost (``docs/performance.md``).
"""

import os
from glob import glob

from setuptools import Extension, setup

_NET = ("outbox", "plain_transport", "stream_flow", "turns", "udp")
HOT = [
    *glob("proxy/sip/*.py"),
    *glob("proxy/transaction/*.py"),
    *glob("proxy/core/*.py"),
    *(f"proxy/pools/{name}.py" for name in ("front_end", "health", "selection", "srv")),
    *(f"proxy/net/{name}.py" for name in _NET),
    "proxy/server/carrier.py",
    "proxy/endpoints/request_uri.py",
    "proxy/location/service.py",
]


def extensions() -> list[Extension]:
    """The compiled modules; none when that is not wanted or not possible."""
    if os.environ.get("WAYPOST_PURE") == "1":
        return []
    try:
        from mypyc.build import mypycify
    except ImportError:
        return []
    sources = sorted(path for path in HOT if not path.endswith("__init__.py"))
    found: list[Extension] = mypycify(
        ["--config-file=", "--ignore-missing-imports", *sources],
        opt_level="3",
        debug_level="0",
    )
    for extension in found:
        extension.optional = True  # no compiler: install without
    return found


setup(ext_modules=extensions())
