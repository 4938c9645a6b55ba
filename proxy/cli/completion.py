"""``waypost completion``: scripts for bash, zsh and fish.

The tree is written out in the script, so that a Tab starts no process.
"""

from typing import Annotated, Literal

import typer

from proxy.cli.tree import Command, command_tree

_BASH = """\
_waypost() {
    local path="waypost" word words=""
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$path $word" in
%(groups)s        esac
    done
    case "$path" in
%(words)s    esac
    COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _waypost waypost
"""

_FISH = """\
function __waypost_path
    set -l path waypost
    for word in (commandline -opc)[2..-1]
        switch "$path $word"
%(groups)s        end
    end
    echo $path
end
complete -c waypost -f
%(lines)s"""


def completion(
    context: typer.Context,
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="Which.")],
) -> None:
    """Print a completion script for a shell: eval "$(waypost completion bash)"."""
    tree = command_tree(context.find_root().command)
    print(script(tree, shell), end="")


def script(root: Command, shell: str) -> str:
    """The completion script of a command tree."""
    if shell == "fish":
        return _fish(root)
    lead = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    known = list(root.walk())
    groups = "".join(
        f'            "{_name(each)}") path="{_name(each)}" ;;\n' for each in known[1:]
    )
    words = "".join(
        f'        "{_name(each)}") words="{" ".join(_words(each, root))}" ;;\n'
        for each in known
    )
    return lead + _BASH % {"groups": groups, "words": words}


def _fish(root: Command) -> str:
    known = list(root.walk())
    groups = "".join(
        f"            case '{_name(each)}'\n                set path '{_name(each)}'\n"
        for each in known[1:]
    )
    lines = "".join(
        f"complete -c waypost -n 'test (__waypost_path) = \"{_name(each)}\"' "
        f"-a '{' '.join(_words(each, root))}'\n"
        for each in known
    )
    return _FISH % {"groups": groups, "lines": lines}


def _name(command: Command) -> str:
    return " ".join(command.path)


def _words(command: Command, root: Command) -> list[str]:
    """What may stand next: commands, its own options, and those for every command."""
    everywhere = [n for o in root.options for n in o.names if n != "--version"]
    own = [name for option in command.options for name in option.names]
    names = [child.path[-1] for child in command.children]
    return list(dict.fromkeys((*names, *own, *everywhere, "--help")))
