"""``Get-Help New-CsPersistentChatEndpoint``, and ``-?``: in a cmdlet's words.  Pure.

Made from the table by which cmdlets are translated and from the help of our options, so
that it says nothing that the command does not do.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from proxy.cli.screen.layout import wrapped
from proxy.cli.typed.cmdlets import NOUN, verb_named

_SAYS: Final = {
    "new": "Creates an endpoint: a legacy address that leads to a pool.",
    "get": "Shows one endpoint, some or all.",
    "set": "Changes an endpoint, all at once. Its address never changes.",
    "remove": "Removes an endpoint and what was learned through it.",
}
_REQUIRED: Final = {"new": ("SipAddress", "PersistentChatPoolFqdn")}
_SHOWN: Final = "-CsPersistentChatEndpoint"
_WIDTH: Final = 79


def help_of(cmdlet: str, helps: Mapping[str, str]) -> list[str]:
    """The page as lines; ``helps`` are the texts of our options, by their name.

    Raises UsageError for a name that is none.
    """
    word = cmdlet.lower().removesuffix(NOUN)
    verb = verb_named(cmdlet)
    name = word.capitalize() + _SHOWN
    required = _REQUIRED.get(word, ())
    syntax = [name]
    for parameter in verb.values:
        shown = f"-{parameter} <String>"
        if parameter == verb.positional:
            shown = f"[-{parameter}] <String>"
        syntax.append(shown if parameter in required else f"[{shown}]")
    syntax += [f"[-{switch}]" for switch in verb.switches]
    lines = ["", "NAME", f"    {name}", "", "SYNOPSIS", f"    {_SAYS[word]}", ""]
    lines += ["SYNTAX", *_flow(syntax), "", "PARAMETERS"]
    for parameter, option in (*verb.values.items(), *verb.switches.items()):
        kind = " <String>" if parameter in verb.values else " [<SwitchParameter>]"
        lines.append(f"    -{parameter}{kind}")
        text = helps.get(option) or "Accepted, and does nothing here."
        lines += wrapped(text, " " * 8, " " * 8, _WIDTH)
    ours = " ".join(x for x in verb.command if not x.startswith("-"))
    lines += ["", "REMARKS"]
    lines += wrapped(
        "Names have no case and may be shortened while they stay unique. New, Set and "
        f'Remove print nothing unless -PassThru asks. "waypost {ours} --help" shows '
        "the same in our own words.",
        "    ",
        "    ",
        _WIDTH,
    )
    return lines


def _flow(words: list[str]) -> Iterator[str]:
    """Words that contain blanks and are not broken at them."""
    line = f"    {words[0]}"
    for word in words[1:]:
        if len(line) + 1 + len(word) > _WIDTH:
            yield line
            line = f"        {word}"
        else:
            line = f"{line} {word}"
    yield line
