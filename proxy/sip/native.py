"""What the compiler is told of a class; plain Python does not care.

``acyclic``: nothing that an instance refers to leads back to it, so the garbage
collector needs not know it, and it is smaller.  ``free_list_len=1``: one that has ended
is kept for the next; for what lives as long as a message is worked on.  Not compiled
itself (``setup.py``): to mypyc the name is that of its own module.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

__all__ = ["mypyc_attr"]

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr
else:
    T = TypeVar("T")

    def mypyc_attr(**_: object) -> Callable[[T], T]:
        """Nothing."""
        return lambda class_: class_
