"""``waypost serve``, kept apart so that the service never loads the command line.

Its memory is measured: neither Typer nor Rich is imported on this way.
"""

from proxy.cli.session import Session


def serve_command(session: Session) -> int:
    """Load the configuration and run the proxy; the exit code.

    Raises ConfigError and StoreError.
    """
    config = session.config()
    from proxy.server.runtime import serve

    return serve(config)
