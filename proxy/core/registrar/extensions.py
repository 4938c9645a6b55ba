"""What a 200 to REGISTER says of Path (RFC 3327) and outbound (RFC 5626)."""

from collections.abc import Sequence

from proxy.location.binding import BindingChange
from proxy.sip.fields import parse_name_addr, parse_routes, parse_tokens
from proxy.sip.flow import Flow
from proxy.sip.message import Request
from proxy.sip.uri import parse_uri


def extension_lines(
    request: Request, changes: Sequence[BindingChange], flow: Flow
) -> list[bytes]:
    """The header lines of the 200, for a client that understands them.

    ``Require: outbound`` promises that requests go over the client's own flow (RFC 5626
    section 6).  So it is only there when they do: over a flow that we hold and whose
    keep-alives we answer, or over one that the proxy next to the client holds.
    """
    has_path = "path" in request.index
    has_reg_id = any(x.after is not None and x.after.reg_id for x in changes)
    if not has_path and not has_reg_id:
        return []
    supported = parse_tokens(request.values("supported"))
    lines: list[bytes] = []
    if has_path and "path" in supported:
        values = request.values("path")
        lines += [b"Path: " + value for value in values if parse_routes([value])]
    if has_reg_id and "outbound" in supported:
        if any(x.after is not None and x.after.flow for x in changes):
            lines.append(b"Require: outbound")
            flow.wants_pong = True
        elif keeps_flow(request):
            lines.append(b"Require: outbound")
    return lines


def keeps_flow(request: Request) -> bool:
    """Whether the proxy next to the client holds its flow: the last Path, which is its
    own, has ``ob`` (RFC 5626 section 5.1)."""
    path = parse_routes(request.values("path"))
    return bool(path) and "ob" in parse_uri(parse_name_addr(path[-1]).uri).parameters
