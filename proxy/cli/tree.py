"""The tree of commands as values: what completion and the man page are made from.

Read off Typer's own objects, so that neither can say anything the command does not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its spellings, what its value is called ("" for a flag), help.

    ``choices`` are all values that it takes; empty when there are others.
    """

    names: tuple[str, ...]
    metavar: str
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """One command; ``path`` begins with ``waypost``."""

    path: tuple[str, ...]
    help: str
    arguments: tuple[str, ...]
    options: tuple[Option, ...]
    children: tuple["Command", ...]
    choices: tuple[str, ...] = ()
    """What its first argument may be, when that is all."""

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
        next(
            (
                _choices(each)
                for each in command.params
                if each.param_type_name == "argument"
            ),
            (),
        ),
    )


def _choices(parameter: Any) -> tuple[str, ...]:
    """The words of a Literal: Typer's own kind of parameter, or Click's."""
    about = getattr(parameter, "type_descriptor", None)
    if about is None:
        return tuple(getattr(getattr(parameter, "type", None), "choices", ()))
    return tuple(_literals(about.annotation))


def _literals(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from map(str, get_args(annotation))
    else:
        for part in get_args(annotation):
            yield from _literals(part)


def _option(option: Any) -> Option:
    names = tuple(sorted((*option.opts, *option.secondary_opts), key=len))
    # Typer's versions agree on the names of things, not on their types.
    metavar = option.metavar or option.name.rpartition("_")[2].upper()
    return Option(
        names,
        "" if option.is_flag else metavar,
        (option.help or "").strip(),
        _choices(option),
    )
