"""What an explanation needs besides the core: the store and the probes of front
ends."""

from collections.abc import Awaitable, Callable, Sequence

from proxy.pools.front_end import FrontEnd
from proxy.store.news import Known

AskStore = Callable[[Sequence[str], float], Awaitable[Sequence[Known]]]


class Asking:
    """``store`` looks an AOR up; ``next_probe`` gives the seconds until a front end is
    probed.  A start replaces both."""

    def __init__(self) -> None:
        self.store: AskStore = _nobody
        self.next_probe: Callable[[FrontEnd], float | None] = lambda _: None


async def _nobody(aors: Sequence[str], now: float) -> Sequence[Known]:
    """Find nothing, as there is no store."""
    return ()
