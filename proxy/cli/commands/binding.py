"""``waypost binding``: who is registered, and taking a registration away."""

from typing import Annotated

import typer

from proxy.admin import registrar
from proxy.admin.as_json import binding_to_json
from proxy.cli.screen import render
from proxy.cli.screen.output import made
from proxy.cli.session import Session

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Who is registered here."
)


@app.command("list")
def list_(
    context: typer.Context,
    aor: Annotated[
        str | None, typer.Argument(metavar="AOR", help="sip:user@domain; all without.")
    ] = None,
) -> None:
    """Show who is registered: contact, from where, since when, until when."""
    session: Session = context.obj
    bindings = session.operate(lambda operator: registrar.get_bindings(operator, aor))
    if session.json:
        render.print_json([binding_to_json(binding) for binding in bindings])
    elif not bindings:
        print("no bindings")
    else:
        render.print_table(
            ("AOR", "Contact", "q", "Source", "User agent", "Since", "Expires"),
            [
                (
                    binding.aor,
                    binding.uri.decode("utf-8", "replace"),
                    f"{binding.q:g}",
                    binding.source,
                    binding.user_agent,
                    render.instant(binding.registered_at),
                    render.instant(binding.expires_at),
                )
                for binding in bindings
            ],
        )


@app.command()
def remove(
    context: typer.Context,
    aor: Annotated[str, typer.Argument(metavar="AOR", help="sip:user@domain")],
) -> None:
    """Take every binding of an address away; its client may register again."""
    session: Session = context.obj
    gone = session.operate(lambda operator: registrar.remove_bindings(operator, aor))
    made(f"{render.count(len(gone), 'binding')} of {aor} removed")
    if session.json:
        render.print_json([binding_to_json(binding) for binding in gone])
    else:
        render.print_lines(
            f"removed {binding.uri.decode('utf-8', 'replace')}, registered as "
            f"{binding.aor} by {binding.source}"
            for binding in gone
        )
