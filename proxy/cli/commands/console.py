"""``waypost console``: the API and the pages, in a process of its own."""

import typer

from proxy.admin.control import ControlError
from proxy.cli.commands.doctor import journey_of
from proxy.cli.session import Session


def console(context: typer.Context) -> None:
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
    raise typer.Exit(run(config, journey_of, None))
