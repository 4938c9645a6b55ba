"""What the commands share that end with verdicts: --strict, --facts, the exit code."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from proxy.admin import facts as verbs
from proxy.admin.doctor.verdicts import Judged, exit_code
from proxy.facts.model import Facts

Strict = Annotated[
    bool,
    typer.Option("--strict", help="Exit code 5 for warnings and unknowns, too."),
]
FactsFile = Annotated[
    Path | None,
    typer.Option(
        "--facts",
        metavar="FILE",
        help="What Get-WaypostFacts.ps1 wrote: Lync's side is judged as well.",
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Even if the doctor advises against it.")
]


def read(path: Path | None) -> Facts | None:
    """The file, before anything else is done; raises ControlError."""
    return None if path is None else verbs.read_facts_file(path)


def end(steps: Sequence[Judged], is_strict: bool) -> None:
    """Leave with the exit code of these verdicts."""
    code = exit_code(steps, is_strict)
    if code:
        raise typer.Exit(code)
