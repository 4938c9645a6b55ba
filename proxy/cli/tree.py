"""The tree of commands as values: what completion and the man page are made from.

Read off Typer's own objects, so that neither can say anything the command does not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its spellings, what its value is called ("" for a flag), help."""

    names: tuple[str, ...]
    metavar: str
    help: str


@dataclass(frozen=True, slots=True)
class Command:
    """One command; ``path`` begins with ``waypost``."""

    path: tuple[str, ...]
    help: str
    arguments: tuple[str, ...]
    options: tuple[Option, ...]
    children: tuple["Command", ...]

    def walk(self) -> Iterator["Command"]:
        """This command and all below it, in order."""
        yield self
        for child in self.children:
            yield from child.walk()


def command_tree(root: Any) -> Command:
    """The whole of ``waypost``; ``root`` is Typer's own object for it."""
    return _read(root, ("waypost",))


def _read(command: Any, path: tuple[str, ...]) -> Command:
    children: dict[str, Any] = getattr(command, "commands", {})
    return Command(
        path,
        (command.help or "").strip(),
        tuple(
            (each.metavar or each.name).upper()
            for each in command.params
            if each.param_type_name == "argument"
        ),
        tuple(
            _option(each)
            for each in command.params
            if each.param_type_name == "option" and not each.hidden
        ),
        tuple(
            _read(child, (*path, name))
            for name, child in children.items()
            if not child.hidden
        ),
    )


def _option(option: Any) -> Option:
    names = tuple(sorted((*option.opts, *option.secondary_opts), key=len))
    # Typer's versions agree on the names of things, not on their types.
    metavar = option.metavar or option.name.rpartition("_")[2].upper()
    return Option(names, "" if option.is_flag else metavar, (option.help or "").strip())
