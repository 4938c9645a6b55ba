"""The cmdlets' own spelling, translated into our commands before Typer sees it.  Pure.

``New-CsPersistentChatEndpoint -SipAddress X -PersistentChatPoolFqdn Y`` becomes
``endpoint new --quiet --sip-address X --pool-fqdn Y``.  As in PowerShell, names and
parameters have no case, a parameter may be shortened while it stays unique, a switch
may carry a value (``-WhatIf:$true``), and New, Set and Remove print nothing unless
``-PassThru`` asks.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

NOUN: Final = "-cspersistentchatendpoint"
_AD: Final = "there is no Active Directory here: leave it out, or search with -Filter"
_COMMON: Final = {
    "ErrorAction": 1,
    "WarningAction": 1,
    "InformationAction": 1,
    "Verbose": 0,
    "Debug": 0,
}
_ALIASES: Final = {"wi": "whatif", "cf": "confirm", "ea": "erroraction"}


class UsageError(Exception):
    """A cmdlet line that cannot be understood; the text says what to write."""


class _Verb(NamedTuple):
    """``values`` and ``switches`` map a parameter to our option, "" to nothing."""

    command: tuple[str, ...]
    values: dict[str, str]
    switches: dict[str, str]
    positional: str | None = None
    refused: tuple[tuple[str, str], ...] = ()


_DRY: Final = {"WhatIf": "--what-if", "Confirm": "--confirm", "PassThru": "--pass-thru"}
_FIELDS: Final = {
    "PersistentChatPoolFqdn": "--pool-fqdn",
    "DisplayName": "--display-name",
    "RequestUri": "--request-uri",
    "ServiceUri": "--service-uri",
}
_VERBS: Final = {
    "new": _Verb(
        ("endpoint", "new", "--quiet"),
        {"SipAddress": "--sip-address", **_FIELDS},
        # Ours: even while an old service is registered as the address.
        {**_DRY, "Force": "--force"},
    ),
    "get": _Verb(
        ("endpoint", "get"),
        {
            "Identity": "--identity",
            "PersistentChatPoolFqdn": "--pool-fqdn",
            "Filter": "--filter",
            "ResultSize": "--result-size",
        },
        {},
        "Identity",
        tuple(
            (name, _AD)
            for name in ("LdapFilter", "OU", "Credential", "DomainController")
        ),
    ),
    "set": _Verb(
        ("endpoint", "set", "--quiet"),
        {"Identity": "--identity", **_FIELDS},
        _DRY,
        "Identity",
        (
            (
                "SipAddress",
                "an endpoint's address never changes: Remove it and create a New one",
            ),
        ),
    ),
    "remove": _Verb(
        ("endpoint", "remove", "--quiet"),
        {"Identity": "--identity"},
        # Force only hides errors that do not stop the cmdlet; we have none.
        {**_DRY, "Force": ""},
        "Identity",
    ),
}


def is_cmdlet(word: str) -> bool:
    """Whether a first word looks like ``Verb-CsPersistentChatEndpoint``."""
    return word.lower().endswith(NOUN)


HELP: Final = "get-help"
_ASKS: Final = ("--help", "-h", "-?", "/?")


def verb_named(cmdlet: str) -> _Verb:
    """The verb of a cmdlet; raises UsageError for one that is not there."""
    verb = _VERBS.get(cmdlet.lower().removesuffix(NOUN)) if is_cmdlet(cmdlet) else None
    if verb is None:
        raise UsageError(
            f'there is no "{cmdlet}": the cmdlets are New-, Get-, Set- and '
            "Remove-CsPersistentChatEndpoint"
        )
    return verb


def translate(arguments: Sequence[str]) -> list[str]:
    """A cmdlet line as ours; any other line unchanged.  Raises UsageError."""
    if not arguments:
        return []
    if arguments[0].lower() == HELP:
        return [HELP, *arguments[1:]]
    if not is_cmdlet(arguments[0]):
        return list(arguments)
    verb = verb_named(arguments[0])
    if any(each in _ASKS for each in arguments[1:]):
        return [HELP, arguments[0]]
    return [*verb.command, *_options(verb, _join_braces(arguments[1:]))]


_QUOTED_COMMAND: Final = re.compile(r'("waypost [^"]*")')
_OURS: Final = re.compile(r"(?<![\w-])(--[a-z][a-z-]{0,30}|IDENTITY)(?![\w-])")


def in_its_words(text: str) -> str:
    """A sentence about our options as one about a cmdlet's parameters.

    Commands of ours that it advises to type stay as they are.
    """
    names = {"IDENTITY": "-Identity"}
    for verb in _VERBS.values():
        for name, option in (*verb.values.items(), *verb.switches.items()):
            names.setdefault(option, f"-{name}")
    parts = _QUOTED_COMMAND.split(text)
    return "".join(
        part if at % 2 else _OURS.sub(lambda found: names.get(found[0], found[0]), part)
        for at, part in enumerate(parts)
    )


def _join_braces(arguments: Sequence[str]) -> list[str]:
    """Put ``{DisplayName -like "*x*"}`` together again after a shell has split it."""
    joined: list[str] = []
    for argument in arguments:
        open_brace = joined and joined[-1].startswith("{") and "}" not in joined[-1]
        if open_brace:
            # The shell took the quotes away; a value with blanks needs them back.
            word = f'"{argument}"' if " " in argument.rstrip("}") else argument
            joined[-1] += f" {word}"
        else:
            joined.append(argument)
    return joined


def _options(verb: _Verb, arguments: Sequence[str]) -> Iterator[str]:
    waiting = iter(arguments)
    positional = verb.positional
    for argument in waiting:
        if argument.startswith("--"):
            yield argument
        elif argument == "-" or not argument.startswith("-"):
            if positional is None:
                raise UsageError(
                    f'"{argument}" stands alone: write the parameter before it, such '
                    f"as -{next(iter(verb.values))}"
                )
            yield f"{verb.values[positional]}={argument}"
            positional = None
        else:
            written, colon, value = argument[1:].partition(":")
            name = _parameter(verb, written)
            if name == positional:
                positional = None
            yield from _option(verb, name, value if colon else None, waiting)


def _parameter(verb: _Verb, written: str) -> str:
    """The full name of a parameter that may be shortened."""
    refused = dict(verb.refused)
    known = [*verb.values, *verb.switches, *refused, *_COMMON]
    short = _ALIASES.get(written.lower(), written.lower())
    found = [name for name in known if name.lower() == short] or [
        name for name in known if name.lower().startswith(short)
    ]
    if len(found) > 1:
        names = " or ".join(f"-{name}" for name in found)
        raise UsageError(f"-{written} could be {names}: write more of it")
    if not found:
        names = ", ".join(f"-{name}" for name in (*verb.values, *verb.switches))
        raise UsageError(f"there is no parameter -{written} here: use {names}")
    if found[0] in refused:
        raise UsageError(f"-{found[0]}: {refused[found[0]]}")
    return found[0]


def _option(
    verb: _Verb, name: str, value: str | None, waiting: Iterator[str]
) -> Iterator[str]:
    if name in verb.switches or _COMMON.get(name) == 0:
        if _is_true(name, value) and verb.switches.get(name):
            yield verb.switches[name]
        return
    if value is None:
        value = next(waiting, None)
    if value is None:
        raise UsageError(f"-{name} needs a value after it")
    if name in verb.values:
        # One word, so that a value that begins with a dash stays a value.
        yield f"{verb.values[name]}={value}"


def _is_true(name: str, value: str | None) -> bool:
    match (value or "true").lower().removeprefix("$"):
        case "true" | "1":
            return True
        case "false" | "0":
            return False
    raise UsageError(f"-{name}:{value} is neither $true nor $false")
