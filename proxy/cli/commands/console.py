"""``waypost console``: the API and the pages, in a process of its own."""

from typing import Annotated, Any

import typer

from proxy.admin.control import ControlError
from proxy.admin.files import printed
from proxy.cli.commands.explain import explain_here
from proxy.cli.hosting.run_line import Line, run_line
from proxy.cli.session import Session
from proxy.config import Config


def console(
    context: typer.Context,
    sign_in: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Print a link that signs in once as this token or person, here.",
        ),
    ] = "",
) -> None:
    """Serve the console over HTTPS until SIGTERM or SIGINT."""
    session: Session = context.obj
    config = session.config()
    try:
        from proxy.console.serve import run
    except ImportError as error:
        raise ControlError(
            f"the console needs more than the proxy does ({error.name} is not "
            "installed): pip install 'waypost[console]'",
            3,
        ) from None
    root = context.find_root().command

    def lines(
        config: Config, operate: Any, tell: Any, admit: Any, stay: Any, **line: Any
    ) -> None:
        run_line(root, config, operate, tell, admit, stay, Line(**line))

    raise typer.Exit(run(config, lines, explain_here, sign_in))


def powershell() -> None:
    """Print the module for PowerShell: waypost powershell > Waypost.psm1."""
    print(printed("Waypost.psm1"), end="")
