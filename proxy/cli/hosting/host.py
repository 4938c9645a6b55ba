"""Where a command runs that was typed at another machine, as commands see it."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Protocol

from proxy.config import Config


class Host(Protocol):
    """The console, for the length of one line.

    ``is_terminal``: a person sits at the other end and can be asked.
    """

    config: Config
    is_terminal: bool

    async def operate(self, work: Callable[..., Awaitable[Any]]) -> Any:
        """Run a verb on the store as far as the caller may use it."""

    @property
    def stay(self) -> Callable[[], None]:
        """To be called before following something; raises ControlError: too many do."""

    def ask(self, kind: str, text: str) -> str:
        """What the person at the other end answers: ``confirm`` or ``password``."""


HOST: ContextVar[Host | None] = ContextVar("host", default=None)
