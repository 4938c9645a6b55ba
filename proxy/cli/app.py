"""The tree of commands.  Thin: each command is a verb of ``proxy/admin``, printed."""

from typing import Annotated

import typer

from proxy import __version__
from proxy.cli import completion, man
from proxy.cli.commands import (
    binding,
    calls,
    configuration,
    console,
    cutover,
    doctor,
    endpoint,
    exchange,
    explain,
    facts,
    history,
    person,
    pool,
    runbook,
    service,
    store,
    token,
    trace,
    usage,
    user,
)
from proxy.cli.first_day import init
from proxy.cli.screen import render
from proxy.cli.serve import serve_command
from proxy.cli.session import Session
from proxy.cli.tree import command_tree
from proxy.cli.typed.cmdlet_help import help_of

app = typer.Typer(
    name="waypost",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A SIP proxy that carries legacy Group Chat clients to a new pool. "
    "New-, Get-, Set- and Remove-CsPersistentChatEndpoint work as well.",
)
endpoint.app.command("list")(endpoint.get)  # as for everything else
endpoint.app.command()(history.history)
endpoint.app.command()(history.undo)
endpoint.app.command()(usage.retire)
endpoint.app.command()(usage.activate)
endpoint.app.command("import")(exchange.import_)
endpoint.app.command()(exchange.export)
app.add_typer(endpoint.app, name="endpoint")
app.add_typer(pool.app, name="pool")
app.add_typer(cutover.app, name="cutover")
app.add_typer(binding.app, name="binding")
app.add_typer(user.app, name="user")
app.add_typer(token.app, name="token")
app.add_typer(person.app, name="person")
app.add_typer(configuration.app, name="config")
app.add_typer(store.app, name="store")
app.add_typer(facts.app, name="facts")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"waypost {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Configuration. Without it $WAYPOST_CONFIG, config/waypost.toml, "
            "/etc/waypost/waypost.toml.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON for scripts.")] = False,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Have the console there run it: https://host:8443."
        ),
    ] = None,
    token_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="With --server: holds a token of it."),
    ] = None,
    ca_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="With --server: whom to trust to be it."),
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_version, help="The version."
        ),
    ] = False,
) -> None:
    """Options that may stand before or after any command."""
    context.obj = Session(config, json)


@app.command()
def serve(
    context: typer.Context,
    event_log: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write all that the core takes and gives into a new FILE, to be "
            "replayed later. It holds keys and whole messages.",
        ),
    ] = None,
) -> None:
    """Run the proxy in the foreground until SIGTERM or SIGINT."""
    raise typer.Exit(serve_command(context.obj.config_file, event_log))


@app.command()
def lab(
    context: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="Leave after the journey.")
    ] = False,
    migration: Annotated[
        bool,
        typer.Option(
            "--migration",
            help="Play the weekend: old service, cutover, kills, rollback.",
        ),
    ] = False,
) -> None:
    """Run the proxy with a small lab and play a legacy client's journey through it."""
    from proxy.lab import main

    session: Session = context.obj
    raise typer.Exit(main.run(once, session.json, migration=migration))


@app.command("get-help", hidden=True)
def get_help(context: typer.Context, cmdlet: str) -> None:
    """The help of a cmdlet, as PowerShell shows it."""
    tree = command_tree(context.find_root().command)
    helps = {
        name: option.help
        for command in tree.walk()
        if command.path[1:2] == ("endpoint",)
        for option in command.options
        for name in option.names
    }
    helps["--identity"] = "The endpoint: its SIP address or display name."
    render.print_lines(help_of(cmdlet, helps))


app.command()(init.init)
app.command()(usage.usage)
app.command()(doctor.doctor)
app.command()(runbook.runbook)
app.command()(explain.explain)
app.command()(service.status)
app.command()(console.console)
app.command()(console.powershell)
app.command()(service.drain)
app.command()(trace.trace)
app.command()(calls.calls)
app.command()(completion.completion)
app.command(hidden=True)(completion.complete)
app.command()(man.man)


def _whole_in_lists(tree: typer.Typer) -> None:
    """A list of commands shows the whole sentence of each, in as many lines as it
    takes; by itself it would cut what is longer than one."""
    for info in tree.registered_commands:
        text = (info.callback.__doc__ if info.callback else None) or ""
        info.short_help = " ".join(text.partition("\n\n")[0].split())
    for group in tree.registered_groups:
        if group.typer_instance is not None:
            _whole_in_lists(group.typer_instance)


_whole_in_lists(app)
