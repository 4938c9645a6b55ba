"""Importing dnspython without what it looks for and we never use.

At import dnspython asks which optional packages are installed: for DNS over HTTPS, over
QUIC, for trio, for names outside ASCII.  We use none of them, and the reader of package
metadata that it asks brings the mail and ZIP packages of the standard library along:
more than a megabyte of every service.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_READER = "importlib.metadata"


@contextmanager
def without_optional_packages() -> Iterator[None]:
    """Whoever asks ``importlib.metadata`` inside hears that nothing is installed.

    dnspython takes any exception for a no, and an empty module raises AttributeError.
    Where the real one is loaded already there is nothing to be saved.
    """
    if _READER in sys.modules:
        yield
        return
    sys.modules[_READER] = ModuleType(_READER)
    try:
        yield
    finally:
        del sys.modules[_READER]
