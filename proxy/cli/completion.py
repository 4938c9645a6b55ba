"""``waypost completion``: scripts for bash, zsh and fish.

The tree is written out in the script, so that a Tab starts no process; only names that
stand in the store (endpoints, pools) are asked for, with ``waypost complete``.
"""

import contextlib
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import typer

from proxy.cli.screen import render
from proxy.cli.session import Session
from proxy.cli.tree import Command, command_tree

# No variable of it is called path: that one is PATH in zsh.
_BASH = """\
_waypost() {
    local told="waypost" words="" lead="" broken="" typed line word cur before sign
    typed=("${COMP_WORDS[@]:0:$((COMP_CWORD + 1))}")
    if [[ -n "$BASH_VERSION" && -n "$COMP_LINE" ]]; then
        # COMP_WORDS is broken at @, : and =, which stand in addresses.
        line="${COMP_LINE:0:COMP_POINT}"
        read -ra typed <<< "$line"
        [[ "$line" == *[[:space:]] ]] && typed+=("")
    fi
    cur="${typed[${#typed[@]}-1]}"
    before="${typed[${#typed[@]}-2]}"
    case "$cur" in
        --*=*) before="${cur%%%%=*}" lead="${cur%%%%=*}=" cur="${cur#*=}" ;;
    esac
    for word in "${typed[@]:1:${#typed[@]}-2}"; do
        case "$told $word" in
%(groups)s        esac
    done
    case "$told" in
%(words)s    esac
    case "$told $before" in
%(values)s    esac
    case "$cur" in
        sip:*) lead="${lead}sip:" cur="${cur#sip:}" ;;
    esac
    COMPREPLY=($(compgen -P "$lead" -W "$words" -- "$cur"))
    # The shell puts a reply in the place of what follows the last of these signs.
    cur="$lead$cur"
    for sign in @ : =; do
        if [[ "$COMP_WORDBREAKS" == *"$sign"* && "$cur" == *"$sign"* ]]; then
            line="${cur%%"${cur##*"$sign"}"}"
            [[ ${#line} -gt ${#broken} ]] && broken="$line"
        fi
    done
    COMPREPLY=("${COMPREPLY[@]#"$broken"}")
}
complete -o default -F _waypost waypost
"""

_ZSH = """\
#compdef waypost
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -u }
autoload -U +X bashcompinit && bashcompinit
"""
_ZSH_ASKED = """\
# As a file of $fpath it is loaded by the first Tab, which wants its answer.
[[ "$funcstack[1]" != _waypost ]] || _bash_complete -o default -F _waypost
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
function __waypost_after
    set -l words (commandline -opc)
    test (__waypost_path) = $argv[1]; and contains -- $words[-1] $argv[2..-1]
end
function __waypost_names
    set -l words (commandline -opc)
    $words[1] complete $argv[1] 2>/dev/null
end
complete -c waypost -f
%(lines)s"""


_ASKED: Final = {
    "IDENTITY": "identities",
    "identity": "identities",
    "ENDPOINT": "identities",
    "FQDN": "pools",
    "fqdn": "pools",
    "POOL": "pools",
    "STEP": "steps",
    "FRONT-END": "front-ends",
}
"""What a value is called, and the names that it may be."""


def complete(context: typer.Context, what: str) -> None:
    """Print the names of endpoints, pools, steps or front ends; nothing when that
    fails."""
    names: list[str] = []
    with contextlib.suppress(Exception):
        names = _names(context.obj, what)
    render.print_lines(names)


def _names(session: Session, what: str) -> list[str]:
    from proxy.admin import control

    if what == "steps":
        from proxy.admin.runbook.weekend import STEPS

        return [step.name for step in STEPS]
    if what == "front-ends":
        return _front_ends(session)
    if what == "pools":
        return [view.pool.fqdn for view in session.operate(control.get_pools)]
    views = session.operate(lambda operator: control.get_endpoints(operator, None))
    return [view.endpoint.key for view in views]


def _front_ends(session: Session) -> list[str]:
    """By name: those that the running service knows."""
    from proxy.admin.listener import client

    pools = client.call_json(session.config(), "GET", "/status")["pools"].values()
    rows = [row for about in pools for row in about["front_ends"]]
    return sorted({row["name"] or row["address"] for row in rows})


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
    lead, tail = (_ZSH, _ZSH_ASKED) if shell == "zsh" else ("", "")
    known = list(root.walk())
    groups = "".join(
        f'            "{_name(each)}") told="{_name(each)}" ;;\n' for each in known[1:]
    )
    words = "".join(
        f'        "{_name(each)}") words="{" ".join(_words(each, root))}" ;;\n'
        for each in known
    )
    values = "".join(_values(each) for each in known)
    body = _BASH % {"groups": groups, "words": words, "values": values}
    return lead + body + tail


def _values(command: Command) -> str:
    """What follows an option, or the command itself, when that is known."""
    path = _name(command)
    lines = ""
    for option in command.options:
        found = _bash_words(option.choices, option.metavar)
        if found:
            names = "|".join(f'"{path} {name}"' for name in option.names)
            lines += f"        {names}) words={found} ;;\n"
    kind = next(iter(command.arguments), "")
    found = _bash_words(command.choices, kind)
    if found:
        last = command.path[-1]
        lines += f'        "{path} {last}") words="$words "{found} ;;\n'
    return lines


def _bash_words(choices: Sequence[str], metavar: str) -> str:
    """The words as bash writes them; empty when nothing is known of them."""
    if choices:
        return f'"{" ".join(choices)}"'
    what = _ASKED.get(metavar, "")
    return f'"$("${{COMP_WORDS[0]}}" complete {what} 2>/dev/null)"' if what else ""


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
    lines += "".join(map(_fish_values, known))
    return _FISH % {"groups": groups, "lines": lines}


def _fish_values(command: Command) -> str:
    """What follows an option, or the command itself, when that is known."""
    path, lines = _name(command), ""
    for option in command.options:
        found = _fish_words(option.choices, option.metavar)
        if found:
            after = f"__waypost_after '{path}' {' '.join(option.names)}"
            lines += f"complete -c waypost -n \"{after}\" -a '{found}'\n"
    found = _fish_words(command.choices, next(iter(command.arguments), ""))
    if found:
        after = f"__waypost_after '{path}' {command.path[-1]}"
        lines += f"complete -c waypost -n \"{after}\" -a '{found}'\n"
    return lines


def _fish_words(choices: Sequence[str], metavar: str) -> str:
    if choices:
        return " ".join(choices)
    what = _ASKED.get(metavar, "")
    return f"(__waypost_names {what})" if what else ""


def _name(command: Command) -> str:
    return " ".join(command.path)


def _words(command: Command, root: Command) -> list[str]:
    """What may stand next: commands, its own options, and those for every command."""
    everywhere = [n for o in root.options for n in o.names if n != "--version"]
    own = [name for option in command.options for name in option.names]
    names = [child.path[-1] for child in command.children]
    return list(dict.fromkeys((*names, *own, *everywhere, "--help")))
