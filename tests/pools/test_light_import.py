"""dnspython without what we never use: the modules are only away while it loads."""

import subprocess
import sys

from proxy.pools.light_import import UNUSED, without_what_is_unused

PROGRAM = f"""
import sys
from proxy.pools import dns_client
assert not set({UNUSED}) & set(sys.modules)
import dns._features, dns.name
assert dns.name.from_text("b\\xfccher.test").labels[0] == b"xn--bcher-kva"
import importlib.metadata, dns._ddr
print(importlib.metadata.version("dnspython"), dns._ddr.__file__)
"""


def test_dnspython_works_without_them_and_others_can_have_them() -> None:
    line = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1].endswith("_ddr.py")


def test_what_is_loaded_already_stays() -> None:
    import importlib.metadata as real

    with without_what_is_unused():
        assert sys.modules["importlib.metadata"] is real
    assert sys.modules["importlib.metadata"] is real
