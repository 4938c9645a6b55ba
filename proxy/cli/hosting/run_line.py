"""Runs a line in the console, for somebody who typed it at another machine.

What the command prints goes over there as it is printed.  What it needs from there
(a file, standard input, an answer) ends the run with a wish; the other end sends the
line again with it.  Every wish comes before the change that it is needed for.
"""

import contextvars
import errno
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from proxy.admin.control import ControlError
from proxy.admin.files import READER, WRITER
from proxy.cli.hosting.host import HOST
from proxy.cli.hosting.roles import WHOLE, path_of, role_of
from proxy.cli.line import Complaints, run_app, say
from proxy.cli.screen.output import OutputFailed, tell_of_changes
from proxy.config import Config

Tell = Callable[[str, Any], None]
Operate = Callable[[Callable[..., Awaitable[Any]]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Line:
    """What was typed, and what came with it.

    ``files`` by the name that was typed: what it holds, or why it cannot be read.
    ``input`` is standard input, None while nobody has asked for it.
    """

    arguments: Sequence[str]
    files: Mapping[str, bytes | str] = field(default_factory=dict)
    input: bytes | None = None
    answers: Sequence[str] = ()
    is_input_terminal: bool = False
    is_output_terminal: bool = False
    columns: int | None = None
    encoding: str = "utf-8"


class Wanted(BaseException):
    """Something of the other end is needed.  No Exception: nobody handles it here."""

    def __init__(self, kind: str, what: str = "") -> None:
        super().__init__(kind)
        self.wish = {"kind": kind, "what": what}


class _Run:
    """One line; see Host."""

    def __init__(
        self,
        config: Config,
        line: Line,
        operate: Operate,
        tell: Tell,
        stay: Callable[[], None],
    ) -> None:
        self.config = config
        self.stay = stay
        self.is_terminal = line.is_input_terminal
        self._line = line
        self._operate = operate
        self._tell = tell
        self._answers = list(line.answers)

    async def operate(self, work: Callable[..., Awaitable[Any]]) -> Any:
        """See Host."""
        return await self._operate(work)

    def ask(self, kind: str, text: str) -> str:
        """See Host."""
        if not self._answers:
            raise Wanted(kind, text)
        return self._answers.pop(0)

    def read(self, path: Path) -> bytes:
        """A file of the other end; raises OSError as it did over there."""
        found = self._line.files.get(str(path))
        if found is None:
            raise Wanted("file", str(path))
        if isinstance(found, str):
            raise OSError(errno.EIO, found)
        return found

    def write(self, path: Path, data: bytes) -> None:
        """Have the other end write a file."""
        self._tell("file", {"name": str(path), "data": data})


class _Printed:
    """Standard output or error of a line."""

    def __init__(self, name: str, line: Line, tell: Tell) -> None:
        self._name = name
        self._tell = tell
        self._is_terminal = line.is_output_terminal
        self.columns = line.columns if line.is_output_terminal else None
        self.encoding = line.encoding
        self.errors = "backslashreplace"

    def write(self, text: str | bytes) -> int:
        if text:  # Typer writes its help as bytes
            shown = text if isinstance(text, str) else text.decode("utf-8", "replace")
            self._tell(self._name, shown)
        return len(text)

    def flush(self) -> None:
        """Everything has gone already.

        Who follows something that is quiet learns here that nobody reads any more.
        """
        self._tell(self._name, "")

    def isatty(self) -> bool:
        return self._is_terminal

    def writable(self) -> bool:
        return True


class _Typed:
    """Standard input of a line."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.encoding = line.encoding

    def isatty(self) -> bool:
        return self._line.is_input_terminal

    def _data(self) -> bytes:
        if self._line.input is None:
            raise Wanted("input")
        return self._line.input

    def read(self, size: int = -1) -> Any:
        return self._data()

    def readline(self) -> str:
        text = self._data().decode("utf-8", "replace")
        return text.partition("\n")[0] + "\n" if text else ""

    @property
    def buffer(self) -> "_Typed":
        return self


# -- standard streams of each line ---------------------------------------------------

_STREAMS: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar(
    "streams", default=None
)


class _Switch:
    """In place of a standard stream: that of the line, or the one that was there."""

    def __init__(self, name: str, before: Any) -> None:
        self._name = name
        self._before = before

    def __getattr__(self, attribute: str) -> Any:
        streams = _STREAMS.get()
        target = self._before if streams is None else streams[self._name]
        return getattr(target, attribute)


_NAMES: Final = ("stdin", "stdout", "stderr")
_switching = threading.Lock()
_kept: Final[list[_Switch]] = []
"""Never let go: ``print`` borrows ``sys.stdout`` while it writes (CPython before 3.14),
and crashes when another thread puts something else there and this one was the last."""


def _switch_streams() -> None:
    """Somebody (a test) may have put back what was there before us."""
    with _switching:
        for name in _NAMES:
            stream = getattr(sys, name)
            if not isinstance(stream, _Switch):
                _kept.append(_Switch(name, stream))
                setattr(sys, name, _kept[-1])


def run_line(
    root: Any,
    config: Config,
    operate: Operate,
    tell: Tell,
    admit: Callable[[str, bool], None],
    stay: Callable[[], None],
    line: Line,
) -> None:
    """Run a line in this thread and tell what becomes of it, ``exit`` or ``want`` last.

    ``root`` is the tree of commands.  ``tell`` raises OutputFailed when the other end
    has gone, ``admit`` ControlError for who may not, ``stay`` when too many follow.
    """
    run = _Run(config, line, operate, tell, stay)
    streams = {
        "stdin": _Typed(line),
        "stdout": _Printed("out", line, tell),
        "stderr": _Printed("err", line, tell),
    }

    def dispatch(front: list[str], rest: list[str], said: Complaints) -> int:
        path = path_of(rest)
        role = role_of(path)
        if role is None and _is_command(root, rest):
            raise ControlError(
                f'"waypost {" ".join(path)}" works on the machine of the service '
                "alone: type it there"
            )
        if role is not None:
            # Calls are of everybody: nobody with a scope sees them.
            admit(role, path in WHOLE)
        # Without one there is no such command, and what is said of that is all.
        return run_app(root.main, front, rest, said)

    def work() -> int:
        _STREAMS.set(streams)
        HOST.set(run)
        READER.set(run.read)
        WRITER.set(run.write)
        tell_of_changes(lambda what: tell("made", what))
        return say(line.arguments, dispatch)

    _switch_streams()
    try:
        tell("exit", contextvars.copy_context().run(work))
    except Wanted as wanted:
        tell("want", wanted.wish)
    except OutputFailed:
        pass  # nobody is there any more


def _is_command(root: Any, rest: Sequence[str]) -> bool:
    """Whether a line leads to a command that would run, and not to a sentence."""
    command = root
    for word in rest:
        children = getattr(command, "commands", None)
        if children is None:
            return True
        command = children.get(word)
        if command is None:
            return False
    return getattr(command, "commands", None) is None
