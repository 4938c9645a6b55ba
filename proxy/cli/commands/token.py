"""``waypost token``: secrets with a name, for programs and for this command."""

from typing import Annotated

import typer

from proxy.admin.access import tokens as verbs
from proxy.admin.as_json import access_to_json
from proxy.cli.screen import render
from proxy.cli.screen.output import made
from proxy.cli.session import Session
from proxy.store.access import Access, Role

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Tokens: who may use the console and its API, and how far.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its purpose, or its owner.")]
RoleOption = Annotated[
    Role, typer.Option(help="viewer looks, operator changes, admin does everything.")
]
Domains = Annotated[
    list[str] | None,
    typer.Option(
        "--domain", metavar="DOMAIN", help="Only for addresses of it; repeatable."
    ),
]
Endpoints = Annotated[
    list[str] | None,
    typer.Option(
        "--endpoint", metavar="ADDRESS", help="Only for this one; repeatable."
    ),
]
Days = Annotated[
    float | None, typer.Option(metavar="DAYS", help="It ends after this many.")
]


@app.command()
def new(
    context: typer.Context,
    name: Name,
    role: RoleOption,
    domain: Domains = None,
    endpoint: Endpoints = None,
    days: Days = None,
) -> None:
    """Make a token and print it, this once: only its hash is kept."""
    session: Session = context.obj
    found = session.operate(
        lambda operator: verbs.new_token(
            *(operator, name, role),
            domains=domain or (),
            endpoints=endpoint or (),
            days=days,
        )
    )
    made(f"token {name} was made; revoke it, because nobody has seen it")
    if session.json:
        render.print_json({"token": found.token, **access_to_json(found.access)})
    else:
        print(found.token)


@app.command("list")
def list_(context: typer.Context) -> None:
    """Every token: role, scope, end, last use; never the token itself."""
    session: Session = context.obj
    show(session, session.operate(lambda op: verbs.list_access(op, "token")), "tokens")


@app.command()
def revoke(context: typer.Context, name: Name) -> None:
    """End a token at once."""
    session: Session = context.obj
    gone = session.operate(lambda operator: verbs.revoke_token(operator, name))
    done(session, f"revoked token {gone.name}", gone)


def show(session: Session, found: list[Access], what: str) -> None:
    """Print tokens or people."""
    if session.json:
        render.print_json([access_to_json(each) for each in found])
    elif not found:
        print(f"no {what}")
    else:
        render.print_table(
            ("Name", "Role", "For", "Made", "Ends", "Last used", "From"),
            [_row(each) for each in found],
        )


def _row(access: Access) -> tuple[str, ...]:
    return (
        access.name,
        access.role,
        " ".join((*access.domains, *access.endpoints)) or "everything",
        render.instant(access.created_at),
        "never" if access.ends_at is None else render.instant(access.ends_at),
        render.instant(access.used_at) if access.used_at else "never",
        access.used_from or "-",
    )


def done(session: Session, text: str, access: Access) -> None:
    """Say that something was changed about a token or a person."""
    made(text)
    if session.json:
        render.print_json(access_to_json(access))
    else:
        render.print_lines([text])
