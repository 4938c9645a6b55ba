"""``waypost man``: the manual page waypost(1), written from the command's own help."""

from datetime import UTC, datetime

import typer

from proxy import __version__, clock
from proxy.cli.tree import Command, Option, command_tree

_TAIL = """\
.SH FILES
.TP
.I /etc/waypost/waypost.toml
The configuration, when neither \\fB\\-\\-config\\fR nor \\fBWAYPOST_CONFIG\\fR
names one.
.TP
.I /var/lib/waypost/waypost.db
The store, unless the configuration names another.
.SH ENVIRONMENT
.TP
.B WAYPOST_CONFIG
The configuration file.
.TP
.B WAYPOST_\\fISECTION\\fB_\\fIKEY\\fR
Overrides one key of the configuration, for example WAYPOST_LOG_LEVEL.
.SH SIGNALS
.TP
.B SIGTERM
Drain, then end; a second one ends at once.
.TP
.B SIGINT
End at once.
.TP
.B SIGHUP
Read the configuration again and apply what can change without a restart.
.SH EXIT STATUS
0 done, 1 refused or failed, 2 the line was not understood, 3 the configuration or
the store cannot be used, 4 done, but the result could not be written to standard
output, 5 with --strict not all is known to be well.
"""


def man(context: typer.Context) -> None:
    """Print the manual page: waypost man > waypost.1."""
    print(page(command_tree(context.find_root().command)), end="")


def page(root: Command) -> str:
    """The page as roff source."""
    day = datetime.fromtimestamp(clock.wall(), UTC).strftime("%Y-%m-%d")
    lines = [
        f'.TH WAYPOST 1 "{day}" "waypost {__version__}"',
        ".SH NAME",
        "waypost \\- SIP proxy that carries legacy Group Chat clients to a new pool",
        ".SH SYNOPSIS",
        ".B waypost",
        "[\\fIoptions\\fR] \\fIcommand\\fR ...",
        ".SH DESCRIPTION",
        _text(root.help),
        ".SH OPTIONS",
        *_options(root),
        ".SH COMMANDS",
    ]
    for command in list(root.walk())[1:]:
        if not command.children:
            lines += _command(command)
    return "\n".join(lines) + "\n" + _TAIL


def _command(command: Command) -> list[str]:
    words = _text(" ".join((*command.path[1:],)))
    arguments = "".join(f" \\fI{_text(each)}\\fR" for each in command.arguments)
    return [
        f".SS {words}{arguments}",
        _text(command.help),
        *_options(command),
    ]


def _options(command: Command) -> list[str]:
    return [line for option in command.options for line in _option(option)]


def _option(option: Option) -> list[str]:
    names = ", ".join(f"\\fB{_text(name)}\\fR" for name in option.names)
    value = f" \\fI{_text(option.metavar)}\\fR" if option.metavar else ""
    return [".TP", names + value, _text(option.help) or "\\&"]


def _text(text: str) -> str:
    """Text that roff takes as it is."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(
        "\\&" + line if line[:1] in (".", "'") else line for line in text.splitlines()
    )
