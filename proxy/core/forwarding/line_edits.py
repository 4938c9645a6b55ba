"""Request forwarding (RFC 3261 section 16.6): the edits, line by line.

Of a request we change only Request-URI, Via, Max-Forwards, Route and Record-Route.  All
other bytes leave in the order in which they came.
"""

from typing import Final

from proxy.core.routing.route_set import RouteSet
from proxy.core.validation import MAX_FORWARDS
from proxy.sip.fields import Via, parse_name_addr
from proxy.sip.flow import DEFAULT_PORT, Flow, FlowTable
from proxy.sip.grammar import unfold
from proxy.sip.message import Request
from proxy.sip.parameters import with_value

KEEP_SECONDS: Final = 120
"""Seconds between two CRLFCRLF of a client that asks to send them (RFC 6223)."""


_HOPS: Final = [b"Max-Forwards: %d" % n for n in range(MAX_FORWARDS + 1)]


def stamp_via(request: Request, via: Via, flow: Flow, flows: FlowTable) -> Flow:
    """Write into the top Via where the request came from; returns the flow for answers.

    RFC 3261 section 18.2.1 (received), RFC 3581 (rport).  On a stream answers go over
    the connection.  Over UDP they go to the source address: to the source port if the
    client asked for rport, else to the port of sent-by (section 18.2.2).
    """
    head = via.head
    wants_rport = "rport" in via.parameters
    wants_keep = (
        "keep" in via.parameters and via.parameters["keep"] is None and flow.reliable
    )
    if wants_keep:
        # RFC 6223 section 4.3: with a value for ``keep`` we promise to answer CRLFCRLF.
        flow.wants_pong = True
    is_elsewhere = head.address != flow.host
    if wants_rport or wants_keep or is_elsewhere or "received" in via.parameters:
        _rewrite_via(request, via, flow, wants_rport)
    if wants_rport or flow.reliable:
        return flow
    # Section 18.2.2: the port of sent-by, or the default port.
    port = head.port or 5060
    return flow if port == flow.port else flows.udp(flow.listener, flow.host, port)


def note_alias(via: Via, flow: Flow, flows: FlowTable) -> None:
    """RFC 5923: requests to the peer's own address may use this connection.

    Only if the peer's certificate has the name that stands in its Via.
    """
    port = via.head.port or DEFAULT_PORT["tls"]
    if flow.alias_port != port and via.head.address in flow.peer_names:
        flows.add_alias(flow, port)


def _rewrite_via(request: Request, via: Via, flow: Flow, wants_rport: bool) -> None:
    """Set ``received`` and ``rport`` to the source address and port, whatever the
    client wrote there (RFC 3261 section 18.2.1, RFC 3581)."""
    value = via.value
    start = value.find(b";")
    front, text = (value, b"") if start < 0 else (value[:start], value[start:])
    if wants_rport:
        text = with_value(text, "rport", b"%d" % flow.port)
    if flow.wants_pong and "keep" in via.parameters:
        text = with_value(text, "keep", b"%d" % KEEP_SECONDS)
    text = with_value(text, "received", flow.host.encode())
    position = request.index["via"]
    line = request.lines[position]
    if via.value not in line:  # folded inside the value
        line = b"Via: " + unfold(line.partition(b":")[2].strip())
    request.lines[position] = line.replace(via.value, front + text, 1)


def forward_request(
    request: Request, routes: RouteSet, request_uri: bytes, own_lines: list[bytes]
) -> list[bytes]:
    """The lines that leave: section 16.6 items 2, 3, 4, 6 and 8.

    ``own_lines`` are our Via and Record-Route lines, which go on top.  The last two
    are the empty line and the body, so that a join by CRLF gives the message.
    """
    lines = request.lines.copy()
    index = request.index
    position = index.get("max-forwards")
    # Item 3: one less; a request that came without Max-Forwards counts as having 70.
    hops = _HOPS[max(request.hops - 1, 0)]
    if position is not None:
        lines[position] = hops
    else:
        own_lines.append(hops)
    if routes.has_changed or (routes.entries and _is_strict(routes)):
        request_uri = _replace_routes(request, lines, routes, request_uri)
    if request_uri is not request.uri:
        lines[0] = b"%b %b SIP/2.0" % (request.method, request_uri)
    # Items 4 and 8: our Record-Route and our Via go above those that are there.
    lines[1:1] = own_lines
    if request.lines[index["via"]][1:2] not in (b"i", b"I") or (
        request.count("via") > 1 and _has_compact_via(request)
    ):
        _spell_via_out(lines)
    lines += (b"", request.body)
    return lines


def _is_strict(routes: RouteSet) -> bool:
    uri = routes.first_uri()
    return uri is not None and "lr" not in uri.parameters


def _replace_routes(
    request: Request, lines: list[bytes], routes: RouteSet, request_uri: bytes
) -> bytes:
    """Write the remaining entries over the Route lines; unused lines go.

    A first entry without ``lr`` is a strict router (item 6): it becomes the
    Request-URI and the Request-URI the last entry.
    """
    entries = routes.entries
    if entries and _is_strict(routes):
        strict = parse_name_addr(entries[0]).uri
        entries = [*entries[1:], b"<%b>" % request_uri]
        request_uri = strict
    names = request.names
    if request.count("route") == 1:
        position = request.index["route"]
        if entries:
            lines[position] = b"Route: " + b", ".join(entries)
        else:
            del lines[position]
        return request_uri
    positions = [i for i, name in enumerate(names) if name == "route"]
    for place, position in enumerate(positions):
        if place < len(entries):
            lines[position] = b"Route: " + entries[place]
    if len(entries) > len(positions):
        rest = b", ".join(entries[len(positions) - 1 :])
        lines[positions[-1]] = b"Route: " + rest
    for position in reversed(positions[len(entries) :]):
        del lines[position]
    return request_uri


def _has_compact_via(request: Request) -> bool:
    return any(
        name == "via" and line[1:2] not in (b"i", b"I")
        for name, line in zip(request.names, request.lines, strict=True)
    )


def _spell_via_out(lines: list[bytes]) -> None:
    """Write every compact ``v:`` as ``Via:``; legacy clients lose a compact one from
    their responses."""
    for position, line in enumerate(lines):
        name, _, value = line.partition(b":")
        if name.strip() in (b"v", b"V"):
            lines[position] = b"Via: " + value.strip()
