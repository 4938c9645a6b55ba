"""``waypost person``: who may sign in to the console with a name and a password."""

from typing import Annotated

import typer

from proxy.admin.access import people as verbs
from proxy.admin.access.tokens import list_access
from proxy.cli.commands.token import (
    Days,
    Domains,
    Endpoints,
    Name,
    RoleOption,
    done,
    show,
)
from proxy.cli.commands.user import PasswordStdin, ask_password
from proxy.cli.session import Session
from proxy.store.access import Role

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="People who sign in to the console. Clients that register are users.",
)


@app.command()
def new(
    context: typer.Context,
    name: Name,
    role: RoleOption,
    domain: Domains = None,
    endpoint: Endpoints = None,
    days: Days = None,
    password_stdin: PasswordStdin = False,
) -> None:
    """Let somebody sign in; asks for the password."""
    session: Session = context.obj
    password = ask_password(password_stdin)
    access = session.operate(
        lambda operator: verbs.new_person(
            *(operator, name, role, password),
            domains=domain or (),
            endpoints=endpoint or (),
            days=days,
        )
    )
    done(session, f"{access.name} may sign in as {access.role}", access)


@app.command("set")
def set_(
    context: typer.Context,
    name: Name,
    role: Annotated[Role | None, typer.Option(help="Another role.")] = None,
    password_stdin: PasswordStdin = False,
) -> None:
    """Give somebody another role; without one, another password."""
    session: Session = context.obj
    wants_password = role is None or password_stdin
    password = ask_password(password_stdin) if wants_password else None
    access = session.operate(
        lambda operator: verbs.set_person(
            operator, name, password=password, role=role or ""
        )
    )
    what = "has another password" if role is None else f"is {access.role}"
    done(session, f"{access.name} {what}", access)


@app.command()
def remove(context: typer.Context, name: Name) -> None:
    """Let somebody sign in no more; open sessions end at once."""
    session: Session = context.obj
    gone = session.operate(lambda operator: verbs.remove_person(operator, name))
    done(session, f"removed {gone.name}", gone)


@app.command("list")
def list_(context: typer.Context) -> None:
    """Everybody who may sign in: role, scope, end, last sign-in."""
    session: Session = context.obj
    show(session, session.operate(lambda op: list_access(op, "person")), "people")
