"""Who follows something over the console, which takes a thread for as long.

Threads are few, and every line of the command needs one.  So one caller may follow a
few things at a time, and all callers together leave threads for the lines that end.
"""

import threading
from collections import Counter

from proxy.admin.control import ControlError
from proxy.store.access import Access


class Watchers:
    """Counts lines that stay, by token or person; used from the threads of lines."""

    def __init__(self, each: int, most: int) -> None:
        self._each = each
        self._most = most
        self._lock = threading.Lock()
        self._by_access: Counter[tuple[str, str]] = Counter()

    def begin(self, access: Access) -> None:
        """One more; raises ControlError when there are enough."""
        key = access.kind, access.name
        with self._lock:
            if self._by_access[key] >= self._each:
                raise ControlError(
                    f'the {access.kind} "{access.name}" follows {self._each} lines '
                    "already (--watch, --follow): end one of them"
                )
            if self._by_access.total() >= self._most:
                raise ControlError(
                    f"{self._most} lines are followed over this console already "
                    "(--watch, --follow): try again when one has ended, or follow it "
                    "on the machine of the service"
                )
            self._by_access[key] += 1

    def end(self, access: Access) -> None:
        """One less."""
        key = access.kind, access.name
        with self._lock:
            self._by_access[key] -= 1
            if not self._by_access[key]:
                del self._by_access[key]
