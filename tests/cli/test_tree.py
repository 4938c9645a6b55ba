"""The tree of commands, from which completion and the manual page are made."""

from types import SimpleNamespace
from typing import Literal

import pytest
from typer.main import get_command

from proxy.cli.app import app
from proxy.cli.tree import command_tree


@pytest.fixture(scope="module")
def tree():
    return command_tree(get_command(app))


def test_every_command_has_a_short_help(tree, waypost):
    for command in tree.walk():
        assert waypost(*command.path[1:], "-h") == 0, command.path
        assert waypost.out.startswith("Usage: waypost")
        listed = waypost.out.partition("\nCommands:")[2]
        assert "...\n" not in listed, "a sentence is cut off"


class Parameter:
    """An option or an argument, as far as the tree reads one of Typer's."""

    def __init__(self, name: str, kind: str = "option", **more: object) -> None:
        self.name, self.param_type_name = name, kind
        self.opts, self.secondary_opts = [f"--{name}", f"-{name[0]}"], []
        self.metavar, self.help, self.hidden, self.is_flag = (
            None,
            " help ",
            False,
            False,
        )
        self.type_descriptor = None
        self.__dict__.update(more)


class Group:
    """A command, or a group of them."""

    def __init__(self, *params: Parameter, hidden: bool = False, **commands) -> None:
        self.params, self.hidden, self.commands = params, hidden, commands
        self.help = " what it does\n"


def test_commands_and_options_that_are_hidden_are_left_out():
    secret = Parameter("secret", hidden=True)
    root = Group(shown=Group(Parameter("pool"), secret), away=Group(hidden=True))
    tree = command_tree(root)
    assert [each.path for each in tree.walk()] == [("waypost",), ("waypost", "shown")]
    assert [x.names for x in tree.children[0].options] == [("-p", "--pool")]
    assert tree.children[0].help == "what it does"


def test_a_value_is_called_by_its_metavar_or_by_the_end_of_its_name():
    fqdn, flag = Parameter("pool_fqdn"), Parameter("json", is_flag=True)
    named = Parameter("file", metavar="FILE")
    (command,) = command_tree(Group(x=Group(fqdn, flag, named))).children
    assert [each.metavar for each in command.options] == ["FQDN", "", "FILE"]


def test_an_argument_has_its_name_and_the_words_it_may_be():
    kind = SimpleNamespace(annotation=Literal["bash", "zsh"] | None)
    shell = Parameter("shell", "argument", type_descriptor=kind)
    (command,) = command_tree(Group(x=Group(shell))).children
    assert command.arguments == ("SHELL",) and command.choices == ("bash", "zsh")
    old = Parameter("role", "option", type=SimpleNamespace(choices=("a", "b")))
    (command,) = command_tree(Group(x=Group(old))).children
    assert command.options[0].choices == ("a", "b")
