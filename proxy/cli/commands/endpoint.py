"""``waypost endpoint``: the verbs of the cmdlets."""

from typing import Annotated, Any, Final

import typer

from proxy.admin import control
from proxy.admin.as_json import endpoint_view_to_json, outcome_to_json, warnings
from proxy.admin.control import EndpointView, Operator, Outcome
from proxy.admin.doctor.conflicts import describe_conflict
from proxy.cli.commands.pool_doubts import pool_doubts
from proxy.cli.hosting.host import HOST
from proxy.cli.screen import render
from proxy.cli.screen.output import made
from proxy.cli.session import Session
from proxy.endpoints.changes import EndpointFields, RowChange
from proxy.endpoints.cutover import Share
from proxy.endpoints.model import Endpoint

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Legacy SIP addresses and the pools they lead to.",
)

PoolFqdn = Annotated[
    str | None, typer.Option(help="The pool's full name, pcpool.contoso.com.")
]
DisplayName = Annotated[str | None, typer.Option(help="A name for people.")]
RequestUri = Annotated[
    str | None,
    typer.Option(
        metavar="pool-host|keep|URI",
        help="The Request-URI towards the pool: its host the pool's (the default), "
        "unchanged, or this one.",
    ),
]
ServiceUri = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        help="Addresses that lead to the same pool, sip:GC-*@contoso.com. May be "
        'given more than once; "" for none.',
    ),
]
WhatIf = Annotated[bool, typer.Option("--what-if", help="Only say what would happen.")]
Confirm = Annotated[bool, typer.Option("--confirm", help="Ask first.")]
PassThru = Annotated[bool, typer.Option("--pass-thru", help="Print the endpoint.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No word on success.")]
Force = Annotated[
    bool,
    typer.Option("--force", help="Even while somebody is registered as the address."),
]
Identity = Annotated[
    str | None,
    typer.Argument(
        metavar="IDENTITY",
        help="SIP address or display name; - for those that a pipe names.",
    ),
]
IdentityOption = Annotated[str | None, typer.Option("--identity", hidden=True)]


@app.command()
def new(
    context: typer.Context,
    sip_address: Annotated[
        str, typer.Option(help="The address that clients dial, sip:user@domain.")
    ],
    pool_fqdn: Annotated[
        str, typer.Option(help="The pool's full name, pcpool.contoso.com.")
    ],
    display_name: DisplayName = None,
    request_uri: RequestUri = None,
    service_uri: ServiceUri = None,
    what_if: WhatIf = False,
    confirm: Confirm = False,
    pass_thru: PassThru = False,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Create an endpoint: a legacy address that leads to a pool."""
    fields = EndpointFields(pool_fqdn, display_name, request_uri, service_uri)

    async def work(operator: Operator, what_if: bool) -> Outcome:
        return await control.new_endpoint(
            operator, sip_address, fields, what_if=what_if, force=force
        )

    run_change(context, work, what_if, confirm, pass_thru, quiet)


@app.command("set")
def set_(
    context: typer.Context,
    identity: Identity = None,
    pool_fqdn: PoolFqdn = None,
    display_name: DisplayName = None,
    request_uri: RequestUri = None,
    service_uri: ServiceUri = None,
    what_if: WhatIf = False,
    confirm: Confirm = False,
    pass_thru: PassThru = False,
    quiet: Quiet = False,
    identity_option: IdentityOption = None,
) -> None:
    """Change an endpoint, all at once. Its address never changes."""
    who = identities(identity, identity_option)
    fields = EndpointFields(pool_fqdn, display_name, request_uri, service_uri)

    async def work(operator: Operator, what_if: bool) -> Outcome:
        return await control.set_endpoint(operator, who, fields, what_if=what_if)

    run_change(context, work, what_if, confirm, pass_thru, quiet)


@app.command()
def remove(
    context: typer.Context,
    identity: Identity = None,
    what_if: WhatIf = False,
    confirm: Confirm = False,
    pass_thru: PassThru = False,
    quiet: Quiet = False,
    identity_option: IdentityOption = None,
) -> None:
    """Remove an endpoint and what was learned through it."""
    who = identities(identity, identity_option)

    async def work(operator: Operator, what_if: bool) -> Outcome:
        return await control.remove_endpoint(operator, who, what_if=what_if)

    run_change(context, work, what_if, confirm, pass_thru, quiet)


@app.command()
def get(
    context: typer.Context,
    identity: Identity = None,
    pool_fqdn: PoolFqdn = None,
    filter_text: Annotated[
        str | None,
        typer.Option("--filter", help="{DisplayName -like '*chat*'} and the like."),
    ] = None,
    result_size: Annotated[
        int | None, typer.Option(min=0, help="At most this many.")
    ] = None,
    identity_option: IdentityOption = None,
) -> None:
    """Show one endpoint, some or all."""
    session: Session = context.obj
    named = identity or identity_option
    who = _piped() if named == "-" else named
    views = session.operate(
        lambda operator: control.get_endpoints(
            operator,
            who,
            pool_fqdn=pool_fqdn,
            filter_text=filter_text,
            limit=result_size,
        )
    )
    if session.json:
        render.print_json([endpoint_view_to_json(view) for view in views])
    elif isinstance(who, str) and views:
        _print_one(views[0])
    else:
        _print_list(views)


def required(argument: str | None, option: str | None) -> str:
    """The identity, in either spelling; raises typer.BadParameter without one."""
    identity = argument or option
    if not identity:
        raise typer.BadParameter(
            "which endpoint? Give its SIP address or display name.",
            param_hint="IDENTITY",
        )
    return identity


def identities(argument: str | None, option: str | None) -> list[str]:
    """The endpoints meant: the one that is named, else (or with ``-``) those that a
    pipe names.

    Raises typer.BadParameter when there is neither.
    """
    named = argument or option
    if named and named != "-":
        return [named]
    return _piped()


def _piped() -> list[str]:
    """The endpoints that standard input names; raises typer.BadParameter for none."""
    import sys

    from proxy.endpoints.exchange import decode, identities_of

    if sys.stdin is None or sys.stdin.isatty():
        return [required(None, None)]
    try:
        text = decode(sys.stdin.buffer.read())
    except (OSError, ValueError):  # closed, or not ours to read
        text = ""
    with control.refusals():
        found = list(identities_of(text))
    # An empty list is what a search that found nothing pipes on: nothing to do.
    return found or ([] if text.strip() else [required(None, None)])


def run_change(
    context: typer.Context,
    work: Any,
    what_if: bool,
    confirm: bool,
    pass_thru: bool,
    quiet: bool,
) -> None:
    """Ask when told to, change, and print what the options want.

    ``work(operator, what_if)`` is the verb.
    """
    session: Session = context.obj
    if confirm and not what_if:
        plan: Outcome = session.operate(lambda operator: work(operator, True))
        if plan.changes and not _is_confirmed(plan):
            raise control.ControlError("not confirmed: nothing was changed")
    outcome: Outcome = session.operate(lambda operator: work(operator, what_if))
    if outcome.changes and not what_if:
        made("; ".join(_done(outcome)))
    doubts = pool_doubts(session, outcome)
    if session.json:
        render.print_json({**outcome_to_json(outcome), **warnings(doubts)})
    elif what_if:
        render.print_lines(f"What if: {line}" for line in outcome.lines)
    elif pass_thru:
        for change in outcome.changes:
            if isinstance(change.row, Endpoint):
                _print_one(EndpointView(change.row, ()))
    elif not quiet:
        render.print_lines(_done(outcome))


def _is_confirmed(plan: Outcome) -> bool:
    import sys

    host = HOST.get()
    if host is not None and host.is_terminal:
        render.print_lines(plan.lines)
        return host.ask("confirm", "Go on?") == "yes"
    if not sys.stdin.isatty():
        raise control.ControlError(
            "--confirm cannot ask because standard input is not a terminal: leave it "
            "out, or look first with --what-if"
        )
    render.print_lines(plan.lines)
    return typer.confirm("Go on?")


def _done(outcome: Outcome) -> list[str]:
    """One friendly line for each row."""
    if not outcome.changes:
        return ["nothing to change: it is so already"]
    return [line for change in outcome.changes for line in _done_line(change)]


_PAST: Final = {
    **{"create": "created", "change": "changed"},
    **{"drain": "drained", "undrain": "undrained"},
}  # "reset" is its own past


def _done_line(change: RowChange) -> list[str]:
    row = change.row
    if change.after is None and isinstance(row, Endpoint):
        return [f"removed {row.sip_address} (it led to {row.pool_fqdn})"]
    if change.before is None and isinstance(row, Endpoint):
        return [f"created {row.sip_address} -> {row.pool_fqdn}"]
    first, *rest = Outcome([change]).lines
    verb, _, what = first.partition(" ")
    return [f"{_PAST.get(verb, verb)} {what}", *rest]


def _print_list(views: list[EndpointView]) -> None:
    if not views:
        print("no endpoints")
        return
    render.print_table(
        ("SIP address", "Pool", "Display name", "Request-URI", "Service URIs", "State"),
        [
            (
                view.endpoint.sip_address,
                view.endpoint.pool_fqdn,
                view.endpoint.display_name,
                view.endpoint.request_uri,
                " ".join(view.endpoint.service_uris),
                view.endpoint.state,
            )
            for view in views
        ],
    )
    learned = [learned for view in views for learned in view.learned]
    if learned:
        print()
        render.print_table(
            ("Service URI", "Pool", "Endpoint", "Last used"),
            [
                (
                    each.uri,
                    each.pool_fqdn,
                    each.endpoint_key,
                    render.instant(each.last_used_at),
                )
                for each in learned
            ],
            title="Learned from pools",
        )


def _print_one(view: EndpointView) -> None:
    endpoint = view.endpoint
    render.print_properties(
        [
            ("SipAddress", endpoint.sip_address),
            ("DisplayName", endpoint.display_name),
            ("PersistentChatPoolFqdn", endpoint.pool_fqdn),
            ("RequestUri", endpoint.request_uri),
            ("ServiceUris", " ".join(endpoint.service_uris)),
            ("State", endpoint.state),
            *_more(endpoint),
            ("Created", render.instant(endpoint.created_at)),
            ("Changed", render.instant(endpoint.changed_at)),
            *(
                (
                    "Learned",
                    f"{each.uri} -> {each.pool_fqdn}, last used "
                    f"{render.instant(each.last_used_at)}",
                )
                for each in view.learned
            ),
            *(("Conflict", describe_conflict(each)) for each in view.conflicts),
        ]
    )


def _more(endpoint: Endpoint) -> list[tuple[str, str]]:
    """What only some endpoints have."""
    found = []
    if endpoint.retired_text:
        found.append(("RetiredText", endpoint.retired_text))
    canary = endpoint.canary
    if canary is not None:
        share = Share(canary.percent, canary.pilots)
        found.append(("Canary", f"{share} to {canary.pool_fqdn}"))
    return found
