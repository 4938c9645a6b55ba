"""``waypost usage --unknown``."""

from pathlib import Path

from proxy.admin.as_json import unknown_to_json
from proxy.admin.control import ControlError
from proxy.admin.files import write_whole
from proxy.admin.unknown import get_unknown, plan_unknown
from proxy.cli.screen import render
from proxy.cli.screen.output import made, print_document
from proxy.cli.screen.unknown import print_unknown, print_unknown_csv
from proxy.cli.session import Session


def show_unknown(
    session: Session,
    identity: str | None,
    as_csv: bool,
    as_plan: Path | None,
    pool_fqdn: str | None,
) -> None:
    """What nobody serves, one address of it, or a plan of all."""
    if as_plan is not None or pool_fqdn is not None:
        _write_plan(session, as_plan, pool_fqdn)
        return
    views = session.operate(get_unknown)
    if identity is not None:
        key = identity.strip().lower().removeprefix("sip:")
        views = [view for view in views if view.key == key]
        if not views:
            raise ControlError(
                f"nobody has dialled {identity}, or it is served: waypost usage "
                "--unknown shows what is not",
                kind="missing",
            )
    if session.json:
        render.print_json([unknown_to_json(view) for view in views])
    elif as_csv:
        print_unknown_csv(views)
    else:
        print_unknown(views, identity is None, session.config().usage.ledger)


def _write_plan(session: Session, file: Path | None, pool_fqdn: str | None) -> None:
    """A plan of what nobody serves, into a file or onto the screen."""
    if file is None:
        raise ControlError("--pool-fqdn goes with --as-plan FILE; - is the screen")
    text = session.operate(lambda operator: plan_unknown(operator, pool_fqdn))
    if str(file) == "-":
        print_document(text.rstrip("\n"))
        return
    try:
        write_whole(file, text.encode())
    except OSError as error:
        raise ControlError(
            f"{file} cannot be written ({error.strerror}): it is as it was before"
        ) from None
    made(f"wrote {file}")
    render.print_lines(
        [f'wrote {file}: look at it, then "waypost cutover plan {file}"']
    )
