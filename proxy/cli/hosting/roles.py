"""Which commands may be typed at another machine, and which role each needs.  Pure.

A command that is not here works on the machine itself only: one that reads a file must
do it with ``admin.files.read_whole``, or it would read the console's.
"""

from collections.abc import Sequence
from typing import Final

VIEWER: Final = "viewer"
OPERATOR: Final = "operator"
ADMIN: Final = "admin"

ROLES: Final[dict[tuple[str, ...], str]] = {
    ("endpoint", "get"): VIEWER,
    ("endpoint", "list"): VIEWER,
    ("endpoint", "history"): VIEWER,
    ("endpoint", "export"): VIEWER,
    ("endpoint", "new"): OPERATOR,
    ("endpoint", "set"): OPERATOR,
    ("endpoint", "remove"): OPERATOR,
    ("endpoint", "retire"): OPERATOR,
    ("endpoint", "activate"): OPERATOR,
    ("endpoint", "undo"): OPERATOR,
    ("endpoint", "import"): OPERATOR,
    ("pool", "list"): VIEWER,
    ("pool", "show"): VIEWER,
    ("pool", "set"): OPERATOR,
    ("pool", "drain"): OPERATOR,
    ("pool", "undrain"): OPERATOR,
    ("binding", "list"): VIEWER,
    ("binding", "remove"): OPERATOR,
    ("user", "list"): VIEWER,
    ("user", "new"): OPERATOR,
    ("user", "set"): OPERATOR,
    ("user", "remove"): OPERATOR,
    ("cutover", "status"): VIEWER,
    ("cutover", "list"): VIEWER,
    ("cutover", "plan"): OPERATOR,
    ("cutover", "apply"): OPERATOR,
    ("cutover", "confirm"): OPERATOR,
    ("cutover", "rollback"): OPERATOR,
    ("usage",): VIEWER,
    ("status",): VIEWER,
    ("trace",): OPERATOR,
    ("calls",): OPERATOR,
    ("explain",): OPERATOR,
    ("doctor",): OPERATOR,
    ("runbook",): OPERATOR,
    ("facts", "show"): OPERATOR,
    ("facts", "check"): OPERATOR,
    ("token", "list"): ADMIN,
    ("token", "new"): ADMIN,
    ("token", "revoke"): ADMIN,
    ("person", "list"): ADMIN,
    ("person", "new"): ADMIN,
    ("person", "set"): ADMIN,
    ("person", "remove"): ADMIN,
    ("config", "show"): ADMIN,
    ("config", "check"): ADMIN,
    ("store", "check"): ADMIN,
    ("drain",): ADMIN,
}
VERBS: Final[dict[tuple[str, ...], str]] = {("usage", "forget"): ADMIN}
"""Words that make another thing of a command: who may type it with them."""
WHOLE: Final = frozenset(
    {
        *(("trace",), ("calls",), ("explain",), ("runbook",), ("usage", "forget")),
        ("store", "check"),
    }
)
"""What is not divided by addresses: not for a token with a scope."""
ANYWHERE: Final = frozenset(
    {
        *(("man",), ("completion",), ("complete",), ("get-help",), ("powershell",)),
        *(("config", "default"), ("facts", "script")),
    }
)
"""What needs neither a configuration nor a store."""
HERE: Final = frozenset(
    {
        *(("init",), ("serve",), ("console",), ("lab",)),
        *(("store", each) for each in ("migrate", "backup", "restore")),
    }
)
"""What is of one machine."""


def role_of(path: tuple[str, ...]) -> str | None:
    """Who may type a command at another machine; None: nobody."""
    return VERBS.get(path) or ROLES.get(path)


def path_of(rest: Sequence[str]) -> tuple[str, ...]:
    """The command that a line names, its words in order.

    A word of VERBS counts wherever it stands: options may come before it.
    """
    first = tuple(rest[:1])
    for path in VERBS:
        if path[:1] == first and path[1] in rest:
            return path
    known = first in ROLES or first in HERE or first in ANYWHERE
    return first if known else tuple(rest[:2])
