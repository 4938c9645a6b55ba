"""``waypost config``: is it right, and what is in force."""

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import typer

from proxy.admin.control import ControlError
from proxy.admin.doctor.verdicts import summary
from proxy.cli.commands.judged import Strict, end
from proxy.cli.screen import render
from proxy.cli.screen.steps import print_summary
from proxy.cli.session import Session

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The configuration file."
)


_MARKS: Final = {
    "ok": "ok      ",
    "warning": "DOUBT   ",
    "unknown": "UNKNOWN ",
    "failed": "FAILED  ",
}


@app.command()
def check(context: typer.Context, strict: Strict = False) -> None:
    """Do everything that start does, short of listening."""
    from proxy.admin import preflight

    session: Session = context.obj
    steps = asyncio.run(preflight.check(session.config()))
    if session.json:
        render.print_json([step.to_json() for step in steps])
    else:
        width = max(len(step.name) for step in steps)
        for step in steps:
            lead = f"{_MARKS[step.verdict]}{step.name.ljust(width)}  "
            render.print_lines(render.fitted(step.text, lead))
        if any(step.doubt for step in steps):
            print_summary(summary(steps))
    failed = sum(not step.ok for step in steps)
    if failed:
        raise ControlError(f"{failed} of {len(steps)} checks failed", exit_code=3)
    end(steps, strict)


@app.command()
def show(context: typer.Context) -> None:
    """Print every value in force, defaults too, secrets not."""
    session: Session = context.obj
    config = session.config()
    values = config.effective()
    if session.json:
        render.print_json(values)
        return
    print(f"# {config.path}, the environment and defaults")
    for section, table in values.items():
        for lines in _sections(section, table):
            render.print_lines(lines)


@app.command()
def default() -> None:
    """Print the commented default file: waypost config default > waypost.toml."""
    from proxy.config.file import default_text

    print(default_text(), end="")


def _sections(name: str, table: Any) -> Iterator[list[str]]:
    """A section as TOML, or every table of an array."""
    if isinstance(table, list):
        for each in table:
            yield ["", f"[[{name}]]", *_keys(each)]
    else:
        yield ["", f"[{name}]", *_keys(table)]


def _keys(table: dict[str, Any]) -> list[str]:
    from proxy.config.values import toml_value

    return [
        f"# {key} is not set" if value is None else f"{key} = {toml_value(value)}"
        for key, value in table.items()
    ]
