"""Our Record-Route: one entry that says a different thing to each end of a dialog.

In the request, which the callee reads, it leads to the caller.  In the answer, for the
caller, we write over it, so that it leads to the callee that answered (RFC 3261
sections 16.6 item 4 and 16.7: a proxy may edit its own value).  So each end can reach
the other one and nobody else, and we keep no dialog in memory (decision 5).

An entry is the same for all dialogs between the same two places, so entries are kept,
and a call costs one look-up in a dictionary.
"""

from __future__ import annotations

from typing import Final

from proxy.core.dialogs.moves import Refresh, is_callee
from proxy.core.dialogs.remote_targets import (
    RemoteTarget,
    has_one_via,
    is_answerers_own,
    is_senders_own,
    nearest,
    nearest_line,
    next_hop_name,
    read_target,
    target_in,
)
from proxy.core.dialogs.route_lines import ENTRY, lines_of, with_entry
from proxy.core.routing.identity import Identity
from proxy.core.routing.router import Router
from proxy.core.routing.target import Target
from proxy.core.tokens import CLIENT, DIRECT, TO_CALLER, FlowToken, TokenBox
from proxy.pools.front_end import FrontEnd
from proxy.sip.errors import MalformedMessage
from proxy.sip.fields import parse_routes
from proxy.sip.flow import Flow
from proxy.sip.grammar import SPACE, TAB
from proxy.sip.limits import NO_LIMITS
from proxy.sip.message import Request, Response, parse_message
from proxy.sip.plain_response import PlainResponse
from proxy.sip.uri import parse_uri
from proxy.transaction.client import AnyResponse, ClientTransaction

DIALOG_METHODS: Final = frozenset({b"INVITE", b"SUBSCRIBE", b"REFER", b"NOTIFY"})
"""Methods whose first request can open a dialog, and so gets a Record-Route."""
_KEPT: Final = 8192
_LONGEST: Final = 512  # bytes of a Contact or Record-Route line that is kept
_LONGEST_KEY: Final = 1024  # the same of a request's URIs and Via
_CONTACT: Final = b"\r\nContact: "
_BEHIND: Final = len(ENTRY)

_Key = tuple[object, ...]


class RecordRoute:
    """The entry in a request that we have sent; two lines where the listener changes.

    ``user`` is its user part, and ``begin`` what our line begins with.  ``sent`` is
    where the Request-URI leads that the callee got, ``dialled`` the same of the
    caller's.
    ``front_end`` is the callee's name, empty for a client.  ``answers`` has the user
    parts that the caller gets in place of ``user``, by the callee's Contact line.
    Thousands of entries are kept, so they have the names of next hops and not the URIs
    as read: one that a stranger has made for this may take 30 KB.
    """

    __slots__ = (
        "answers",
        "begin",
        "dialled",
        "front_end",
        "is_client",
        "lines",
        "owner",
        "sent",
        "tag",
        "user",
    )

    def __init__(
        self,
        owner: RecordRoutes,
        user: bytes,
        tag: bytes,
        sent: str,
        dialled: str,
        is_client: bool,
        front_end: str,
    ) -> None:
        self.owner = owner
        self.user = user
        self.begin = b"Record-Route: <sip:%b@" % user
        self.lines: list[bytes] = []
        self.answers: dict[bytes, bytes] = {}
        self.tag = tag
        self.sent = sent
        self.dialled = dialled
        self.is_client = is_client
        self.front_end = front_end


class RecordRoutes:
    """Writes the entries of requests, and writes over them in answers."""

    __slots__ = (
        "_changes",
        "_entries",
        "_identity",
        "_notified",
        "_tokens",
        "kept_answers",
    )

    def __init__(self, tokens: TokenBox, identity: Identity) -> None:
        self._tokens = tokens
        self._identity = identity
        self._changes = tokens.changes
        self._entries: dict[_Key, RecordRoute] = {}
        self._notified: dict[_Key, list[bytes]] = {}
        self.kept_answers = 0

    # -- towards the callee ------------------------------------------------------

    def entry(
        self,
        request: Request,
        back: Flow,
        target: Target,
        flow: Flow,
        front_end: FrontEnd | None,
        is_secure: bool = False,
        is_asked: bool = False,
    ) -> RecordRoute:
        """The entry for ``request``, which leaves over ``flow``; its answers go back
        over ``back``.

        ``is_secure`` is set when the next hop must be TLS: the line for that side then
        says ``sips:`` (RFC 3261 section 16.6 item 4).  ``is_asked`` is set when the
        caller dialled ``sips:``: then the line for its side says so too.
        """
        self._follow_keys()
        line = nearest_line(request)
        via = request.via
        assert via is not None
        key = (
            back.connection_id,
            back.host,
            back.port,
            back.listener,
            flow.connection_id,
            flow.host,
            flow.port,
            flow.listener.shared,
            target.tag,
            target.request_uri,
            target.rule,
            via.head,
            line,
            request.uri,
            is_secure,
            is_asked,
            back.reliable and has_one_via(request),
        )
        entry = self._entries.get(key)
        if entry is None:
            entry = self._make(request, back, target, flow, front_end)
            listeners = back.listener.shared, flow.listener.shared
            entry.lines = lines_of(entry.user, *listeners, is_secure, is_asked)
            others = len(request.uri) + len(target.request_uri) + len(via.value)
            if len(line) <= _LONGEST and others <= _LONGEST_KEY:
                if len(self._entries) >= _KEPT:
                    self._forget()
                self._entries[key] = entry
        return entry

    def _make(
        self,
        request: Request,
        back: Flow,
        target: Target,
        flow: Flow,
        front_end: FrontEnd | None,
    ) -> RecordRoute:
        is_client = target.flow is not None
        way, name = DIRECT, ""
        near = nearest(request)
        if near is not None:
            name = next_hop_name(near.uri)
            if not is_senders_own(near, request, back, self._identity):
                way = 0
        if target.rule == "contact":
            way |= CLIENT
        user = self._tokens.towards_caller(back, target.tag, way, name, flow)
        return RecordRoute(
            self,
            user,
            target.tag,
            next_hop_name(parse_uri(target.request_uri)),
            next_hop_name(parse_uri(request.uri)),
            is_client,
            front_end.name.lower() if front_end is not None else "",
        )

    # -- towards the caller ------------------------------------------------------

    def notified(
        self,
        router: Router,
        request: Request,
        token: FlowToken,
        flow: Flow,
        back: Flow,
        out: Flow,
        is_secure: bool = False,
    ) -> list[bytes]:
        """The lines for a callee's NOTIFY, which came over ``flow`` and leaves over
        ``out``; its answer goes ``back``.

        A NOTIFY may overtake the 200 to its SUBSCRIBE, and the subscriber then takes
        its route set from the NOTIFY (RFC 6665 section 4.3).  Nobody can tell whether
        it did, so every NOTIFY gets the lines.  They say what the answer says.
        """
        if token.purpose != TO_CALLER or not is_callee(router, request, token, flow):
            return []
        self._follow_keys()
        line = nearest_line(request)
        via = request.via
        assert via is not None
        key = (
            back.connection_id,
            back.host,
            back.port,
            back.alias_port,
            back.listener,
            out.listener.shared,
            token.endpoint_tag,
            via.head,
            line,
            is_secure,
            back.reliable and has_one_via(request),
        )
        lines = self._notified.get(key)
        if lines is None:
            lines = self._notify(request, token, back, out, is_secure)
            if len(line) <= _LONGEST and len(via.value) <= _LONGEST_KEY:
                if len(self._notified) >= _KEPT:
                    self._forget()
                self._notified[key] = lines
        return lines

    def _notify(
        self, request: Request, token: FlowToken, back: Flow, out: Flow, is_secure: bool
    ) -> list[bytes]:
        near = nearest(request)
        if near is None:
            return []
        is_own = is_senders_own(near, request, back, self._identity)
        way = DIRECT | CLIENT if is_own else 0
        name = next_hop_name(near.uri)
        user = self._tokens.towards_callee(back, token.endpoint_tag, way, name)
        return lines_of(
            user, back.listener.shared, out.listener.shared, is_secure, is_secure
        )

    def answered_plainly(
        self, entry: RecordRoute, response: PlainResponse, flow: Flow
    ) -> bytes:
        """``answered`` for the form of nearly all responses: one Record-Route line,
        which is ours, and a Contact."""
        data, start, line = response.forwarded(), response.route_at, response.contact
        begin = entry.begin
        if start < 0 or not line or data[start : start + len(begin)] != begin:
            return self.answered(entry, data, flow)
        known = entry.answers.get(line)
        if known is None:
            known = self._answer(entry, target_in(line[len(_CONTACT) - 2 :]), flow)
            self._keep_answer(entry, line, known)
        start += _BEHIND - 2
        return data[:start] + known + data[start + len(entry.user) :]

    def answered(self, entry: RecordRoute, data: bytes, flow: Flow) -> bytes:
        """The response ``data``, which came over ``flow``, with our entry written over
        for the caller."""
        user = entry.user
        end = data.find(b"\r\n\r\n")
        place = data.find(user, 0, end)
        if place < 0:
            return data  # no dialog, or one whose requests do not pass us
        line = _plain_contact(data, place, end)
        known = entry.answers.get(line) if line else None
        if known is None:
            if line:
                target = target_in(line[len(_CONTACT) - 2 :])
            else:
                target = _first_behind_us(data, user)
            known = self._answer(entry, target, flow)
            self._keep_answer(entry, line, known)
        ours, theirs = b":%b@" % user, b":%b@" % known
        return with_entry(data[:end], ours, theirs) + data[end:]

    def _keep_answer(self, entry: RecordRoute, line: bytes, known: bytes) -> None:
        if 0 < len(line) <= _LONGEST:
            if self.kept_answers >= _KEPT:
                self._forget()
            self.kept_answers += 1
            entry.answers[line] = known

    def _follow_keys(self) -> None:
        if self._changes != self._tokens.changes:
            self._changes = self._tokens.changes
            self._forget()

    def _forget(self) -> None:
        """Forget all entries; a request under way keeps its own entry."""
        self._notified.clear()
        for entry in self._entries.values():
            entry.answers.clear()
        self._entries.clear()
        self.kept_answers = 0

    def hide(self, entry: RecordRoute, response: Response, flow: Flow) -> None:
        """The same for a refusal.  It makes no dialog, but the caller must not see the
        token that was made for the callee."""
        if "record-route" not in response.index:
            return
        lines = response.lines
        for position, line in enumerate(lines):
            is_route = response.names[position] == "record-route"
            if is_route and line.find(entry.user) >= 0:
                known = self._answer(entry, None, flow)
                lines[position] = line.replace(entry.user, known)

    def _answer(
        self, entry: RecordRoute, target: RemoteTarget | None, flow: Flow
    ) -> bytes:
        way = CLIENT if entry.is_client else 0
        if target is None:
            # Without a Contact the caller goes on with the URI that it dialled.
            return self._tokens.towards_callee(
                flow, entry.tag, way | DIRECT, entry.dialled
            )
        if is_answerers_own(target, flow, entry.sent, entry.front_end, self._identity):
            way |= DIRECT
        name = next_hop_name(target.uri)
        return self._tokens.towards_callee(flow, entry.tag, way, name)


def returned(transaction: ClientTransaction, response: AnyResponse) -> bytes:
    """The bytes of a response that go back: without our Via (section 16.7 item 3), with
    our entry written over, and with the mark of a callee that has moved."""
    note = transaction.note
    if isinstance(note, RecordRoute) and isinstance(response, PlainResponse):
        return note.owner.answered_plainly(note, response, transaction.flow)
    data = response.forwarded()
    if isinstance(note, RecordRoute):
        return note.owner.answered(note, data, transaction.flow)
    if isinstance(note, Refresh):
        return note.answered(data, transaction.flow)
    return data


def hide(transaction: ClientTransaction, response: Response) -> None:
    """Write over our entry in a refusal."""
    entry = transaction.note
    if isinstance(entry, RecordRoute):
        entry.owner.hide(entry, response, transaction.flow)


def _plain_contact(data: bytes, place: int, end: int) -> bytes:
    """The Contact line of a response; empty where only the parser can tell the next hop
    on the callee's side."""
    top = place - _BEHIND
    if (
        not data.startswith(ENTRY, max(top, 0))
        or data[:top].lower().find(b"\nrecord-route") >= 0
    ):
        return b""
    start = data.find(_CONTACT, 0, end)
    if start < 0:
        return b""
    stop = data.find(b"\r\n", start + 2)
    if data[stop + 2] in (SPACE, TAB):
        return b""
    return data[start + 2 : stop]


def _first_behind_us(data: bytes, user: bytes) -> RemoteTarget | None:
    """The next hop from us to the callee: the Record-Route entry before ours, else the
    callee's Contact."""
    try:
        response = parse_message(data, NO_LIMITS)
        entries = parse_routes(response.values("record-route"))
        places = [i for i, entry in enumerate(entries) if entry.find(user) >= 0]
        if places and places[0] > 0:
            return read_target(entries[places[0] - 1])
        value = response.value("contact")
        return read_target(value) if value else None
    except MalformedMessage:
        return None
