"""``waypost init``: the first configuration, asked for or given as options."""

import os
import socket
import sys
from collections.abc import Callable
from ipaddress import ip_address
from typing import Annotated, Final, TypeVar

import typer

from proxy.admin.control import ControlError
from proxy.admin.first_day import answers, machine, set_up
from proxy.admin.first_day.answers import Answers
from proxy.cli.screen import render
from proxy.cli.screen.output import made
from proxy.cli.session import Session
from proxy.endpoints.address import Refused

T = TypeVar("T")
EXAMPLE: Final = (
    "waypost init --domain contoso.com --pool-fqdn pcpool.contoso.com "
    "--sip-address sip:ocschat@contoso.com"
)


Domain = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="A SIP domain we answer for; may be repeated."),
]


def init(
    context: typer.Context,
    domain: Domain = None,
    pool_fqdn: Annotated[
        str | None,
        typer.Option(
            "--pool-fqdn",
            "--pool",
            metavar="FQDN",
            help="The new pool's full name, pcpool.contoso.com.",
        ),
    ] = None,
    sip_address: Annotated[
        str | None,
        typer.Option(
            "--sip-address",
            "--address",
            metavar="URI",
            help="The address that legacy clients dial, sip:ocschat@contoso.com.",
        ),
    ] = None,
    listen: Annotated[
        str, typer.Option(metavar="IP:PORT", help="Where we answer, UDP and TCP.")
    ] = answers.EVERYWHERE,
    advertised_host: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A name that resolves to this machine; else its own.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what is there; FILE.old keeps it.")
    ] = False,
    no_units: Annotated[
        bool, typer.Option("--no-units", help="Write no units of systemd.")
    ] = False,
) -> None:
    """Write a first configuration that works, and say what to type next."""
    session: Session = context.obj
    path = set_up.where(session.config_file)
    try:
        asked = _answers(
            *(domain, pool_fqdn, sip_address, listen, advertised_host),
            lambda: machine.must_be_free(path, force),
        )
    except Refused as refusal:
        raise ControlError(str(refusal)) from None
    begun = set_up.set_up(path, asked, force, not no_units)
    _tell(session, begun)
    failed = sum(not step.ok for step in begun.checks)
    if failed:
        raise ControlError(
            f"written, but {failed} of {len(begun.checks)} checks failed: mend what "
            "they say, then `waypost config check`"
        )


def _answers(
    domains: list[str] | None,
    pool_fqdn: str | None,
    sip_address: str | None,
    listen: str,
    advertised_host: str | None,
    look: Callable[[], None],
) -> Answers:
    """All answers, asked for where an option is missing; raises Refused.

    ``look`` is called before the first question: who has answered three of them shall
    not hear that nothing can be written.
    """
    place = answers.listen(listen)
    known = [answers.domain(each) for each in domains or ()]
    pool = None if pool_fqdn is None else answers.pool(pool_fqdn)
    alias = None if sip_address is None else answers.address(sip_address, known)
    if not known and alias is not None:
        known = [answers.domain_of(alias)]
    _refuse_without_terminal(bool(known), pool is not None, alias is not None)
    if not known or pool is None or alias is None:
        look()
    if not known:
        known = [_ask("SIP domain, as in contoso.com", answers.domain)]
    if pool is None:
        pool = _ask("the new pool's full name", answers.pool)
    if alias is None:
        example = f"sip:ocschat@{known[0]}"
        text = f"address that legacy clients dial, as in {example}"
        alias = _ask(text, lambda written: answers.address(written, known))
    host = None
    if advertised_host is not None:
        host = answers.advertised(advertised_host)
    elif ip_address(place.host).is_unspecified:
        host = answers.advertised(_own_name())
    return Answers(tuple(dict.fromkeys(known)), pool, alias, place, host)


def _refuse_without_terminal(domain: bool, pool: bool, alias: bool) -> None:
    """Raises ControlError when something is missing and nobody can be asked."""
    missing = [
        option
        for option, there in (
            ("--domain", domain),
            ("--pool-fqdn", pool),
            ("--sip-address", alias),
        )
        if not there
    ]
    if missing and (sys.stdin is None or not sys.stdin.isatty()):
        raise ControlError(
            f"nobody can be asked for {' and '.join(missing)}, because standard input "
            f'is no terminal: give all of it, "{EXAMPLE}"',
            exit_code=2,
        )


def _ask(question: str, check: Callable[[str], T]) -> T:
    """Ask until the answer is one; on standard error, so that output stays pure."""
    while True:
        try:
            return check(typer.prompt(question, err=True))
        except Refused as refusal:
            print(f"  {refusal}", file=sys.stderr)


def _own_name() -> str:
    """This machine's name, the full one where it knows it."""
    full = socket.getfqdn()
    own = os.uname().nodename
    return full if "." in full and not full.startswith("localhost") else own


def _tell(session: Session, begun: set_up.Begun) -> None:
    for written in begun.written:
        made(f"{written} was written")
    if session.json:
        render.print_json(begun.to_json())
    else:
        _show(begun)


def _show(begun: set_up.Begun) -> None:
    render.print_lines(f"wrote {path}" for path in begun.written)
    render.print_lines(f"kept  {path}" for path in begun.kept)
    if not begun.written:
        print(f"{begun.config} is so already")
    print(f"store {begun.store.removeprefix('sqlite:///')}")
    for step in begun.checks:
        if step.doubt or not step.ok:
            mark = "doubt " if step.ok else "FAILED"
            render.print_lines([f"{mark} {step.name}: {step.text}"])
    if begun.ok:
        doubts = any(step.doubt for step in begun.checks)
        said = "with the doubts above" if doubts else "every check passed"
        print(f"the account {begun.account} can use it: {said}")
    render.print_lines(f"note: {note}" for note in begun.notes)
    print("\nNext:")
    render.print_lines(f"  {line}" for line in begun.next)
