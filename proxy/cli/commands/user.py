"""``waypost user``: who may register with a password."""

import sys
from typing import Annotated

import typer

from proxy.admin import registrar
from proxy.admin.as_json import user_to_json
from proxy.admin.control import ControlError
from proxy.cli.hosting.host import HOST
from proxy.cli.screen import render
from proxy.cli.screen.output import made
from proxy.cli.session import Session
from proxy.sip.pasted import MARK
from proxy.store.registrar import User

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Who may register with a password.",
)

Name = Annotated[
    str,
    typer.Argument(
        help="alice, in the first of our domains, or alice@contoso.com in any."
    ),
]
PasswordStdin = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read the password from standard input."),
]


@app.command()
def new(
    context: typer.Context, name: Name, password_stdin: PasswordStdin = False
) -> None:
    """Create a user; asks for the password."""
    session: Session = context.obj
    config = session.config()
    password = ask_password(password_stdin)
    user = session.operate(
        lambda operator: registrar.new_user(operator, config, name, password)
    )
    _done(session, "created", user)


@app.command("set")
def set_(
    context: typer.Context, name: Name, password_stdin: PasswordStdin = False
) -> None:
    """Give a user another password."""
    session: Session = context.obj
    config = session.config()
    password = ask_password(password_stdin)
    user = session.operate(
        lambda operator: registrar.set_user(operator, config, name, password)
    )
    _done(session, "changed", user)


@app.command()
def remove(context: typer.Context, name: Name) -> None:
    """Remove a user. What it has registered stays until it expires."""
    session: Session = context.obj
    user = session.operate(lambda operator: registrar.remove_user(operator, name))
    _done(session, "removed", user)


@app.command("list")
def list_(context: typer.Context) -> None:
    """Show every user; never a password or its hash."""
    session: Session = context.obj
    users = session.operate(lambda operator: operator.store.users())
    if session.json:
        render.print_json([user_to_json(user) for user in users])
    elif not users:
        print("no users")
    else:
        render.print_table(
            ("User", "Realm", "Algorithms", "Changed"),
            [
                (
                    user.name,
                    user.realm,
                    " ".join(sorted(user.ha1)),
                    render.instant(user.changed_at),
                )
                for user in users
            ],
        )


def ask_password(from_stdin: bool) -> str:
    """The password of a pipe, or of the person at the terminal."""
    if from_stdin:
        # PowerShell may put a byte order mark before what it pipes.
        return sys.stdin.readline().removeprefix(MARK).rstrip("\r\n")
    host = HOST.get()
    if host is not None and host.is_terminal:
        return host.ask("password", "Password")
    if not sys.stdin.isatty():
        raise ControlError(
            "standard input is not a terminal, so there is no one to ask: pipe the "
            "password in and write --password-stdin"
        )
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


def _done(session: Session, verb: str, user: User) -> None:
    text = f"{verb} user {user.name} in realm {user.realm}"
    made(text)
    if session.json:
        render.print_json(user_to_json(user))
    else:
        render.print_lines([text])
