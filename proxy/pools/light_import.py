"""Importing dnspython without what it looks for and we never use.

At import dnspython asks which optional packages are installed: for DNS over HTTPS, over
QUIC, for trio, for names outside ASCII.  The reader of package metadata that it asks
brings the mail and ZIP packages of the standard library along.  And it loads what finds
better name servers than the ones we were given (RFC 9462).  Together that is nearly two
megabytes of every service.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Final

UNUSED: Final = ("importlib.metadata", "dns._ddr")


@contextmanager
def without_what_is_unused() -> Iterator[None]:
    """Whoever imports one of ``UNUSED`` inside gets an empty module.

    dnspython asks ``importlib.metadata`` in a ``try`` and takes the AttributeError for
    "nothing is installed"; ``dns._ddr`` it only calls when asked to.  What is loaded
    already stays: there is nothing to be saved.
    """
    absent = [name for name in UNUSED if name not in sys.modules]
    sys.modules.update({name: ModuleType(name) for name in absent})
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
