"""What an explanation needs besides the core; the service gives it to its runtime."""

from collections.abc import Awaitable, Callable, Sequence

from proxy.pools.front_end import FrontEnd
from proxy.store.news import Known

AskStore = Callable[[Sequence[str], float], Awaitable[Sequence[Known]]]


class Asking:
    """The store's own look-up, and in how many seconds a front end is probed."""

    def __init__(self) -> None:
        self.store: AskStore = _nobody
        self.next_probe: Callable[[FrontEnd], float | None] = lambda _: None


async def _nobody(aors: Sequence[str], now: float) -> Sequence[Known]:
    """Without a store nothing more is known."""
    return ()
