"""``waypost facts``: what Lync says about itself, and whether it fits."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from proxy.admin import facts as verbs
from proxy.admin.as_json import facts_to_json, steps_to_json
from proxy.admin.control import Operator
from proxy.admin.cutover import read_plan
from proxy.admin.doctor.verdicts import summary
from proxy.cli.commands.judged import Strict, end
from proxy.cli.screen import render
from proxy.cli.screen.steps import print_steps, print_summary
from proxy.cli.session import Session
from proxy.facts.model import Finding

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="What Lync says about itself, against what stands here.",
)

File = Annotated[
    Path, typer.Argument(metavar="FILE", help="What Get-WaypostFacts.ps1 wrote.")
]


@app.command()
def script() -> None:
    """Print the read-only script: waypost facts script > Get-WaypostFacts.ps1."""
    print(verbs.script_text(), end="")


@app.command()
def show(context: typer.Context, file: File) -> None:
    """What was read, section by section, and what could not be."""
    session: Session = context.obj
    facts = verbs.read_facts_file(file)
    if session.json:
        render.print_json(facts_to_json(facts))
        return
    written = "not said" if facts.at is None else render.instant(facts.at)
    render.print_properties(
        [
            ("Written", written),
            ("Computer", facts.computer or "not said"),
            ("Forest", facts.forest or "not said"),
            ("Script", facts.script or "not said"),
            ("Asked for", ", ".join(facts.aliases) or "no address"),
            ("Waypost", facts.waypost_fqdn or "not said"),
        ]
    )
    print()
    rows = [
        (name, section.cmdlet, str(len(section.rows)) if section.ok else "not read")
        for name, section in facts.sections.items()
    ]
    render.print_table(("Section", "Cmdlet", "Rows"), rows)
    bad = [(name, each) for name, each in facts.sections.items() if not each.ok]
    render.print_lines(f"{name}: {each.error}" for name, each in bad)
    if facts.absent:
        print("Lync does not have: " + ", ".join(facts.absent))


@app.command()
def check(
    context: typer.Context,
    file: File,
    plan: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also for what this plan would make."),
    ] = None,
    topology: Annotated[
        Literal["a", "b", "c"] | None,
        typer.Option(help="Without it: as the facts show for each address."),
    ] = None,
    strict: Strict = False,
) -> None:
    """Whether Lync leads every endpoint here: one line for each rule."""
    session: Session = context.obj
    config = session.config()
    facts = verbs.read_facts_file(file)
    planned = None if plan is None else read_plan(plan)

    async def work(operator: Operator) -> list[Finding]:
        return await verbs.examine(operator, config, facts, planned, topology)

    findings = session.operate(work)
    if session.json:
        render.print_json(steps_to_json(findings))
    else:
        print_steps(findings)
        print_summary(summary(findings))
    end(findings, strict)
