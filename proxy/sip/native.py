"""A decorator that tells mypyc about a class; in plain Python it does nothing.

``acyclic``: nothing that an instance refers to leads back to it.  The garbage collector
need not track it then, and it is smaller.  ``free_list_len=1``: the memory of one ended
instance is kept for the next, for classes that live only while a message is handled.
This module is not compiled itself (``setup.py``): mypyc knows the decorator only as
that of ``mypy_extensions``.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

__all__ = ["mypyc_attr"]

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr
else:
    T = TypeVar("T")

    def mypyc_attr(**_: object) -> Callable[[T], T]:
        """Leave the class as it is."""
        return lambda class_: class_
