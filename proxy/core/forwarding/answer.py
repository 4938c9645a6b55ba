"""What goes back to the client: provisional responses, and one final answer.

RFC 3261 section 16.7, items 5 to 9.  The final responses that come during the search
are kept here, and the best of them is sent when the search has ended.
"""

from collections.abc import Sequence
from typing import Final

from proxy.core import commands
from proxy.core.answers.replies import refuse, reply
from proxy.core.answers.unreached import unreached
from proxy.core.dialogs.record_route import returned
from proxy.core.first_hop.first_hop import asks_for_keep_alive, with_keep_alive
from proxy.core.forwarding.best_response import (
    CHALLENGES,
    is_better,
    replacement,
    with_challenges,
)
from proxy.core.forwarding.candidates import Candidates
from proxy.core.forwarding.forwarder import Forwarder
from proxy.core.validation import SILENT, Refusal
from proxy.endpoints.guard import CALLERS
from proxy.sip.message import Request, Response
from proxy.transaction.client import AnyResponse, ClientTransaction
from proxy.transaction.server import ServerTransaction

_LOST: Final = frozenset({408, 481})
"""Statuses besides 5xx that count as a pool's failure inside a dialog: the pool did not
answer, or does not know the dialog."""


class Answer:
    """The answer to one request; ``server`` is None for ACK and BENOTIFY, which nobody
    answers.

    ``failure`` says why nobody could be reached; it is the answer when no response has
    come.  ``first_at`` is when the first response other than 100 went back, negative
    while none has.
    """

    __slots__ = (
        "_best",
        "_candidates",
        "_challenges",
        "_forwarder",
        "_keeps_alive",
        "failure",
        "first_at",
        "server",
    )

    def __init__(
        self,
        forwarder: Forwarder,
        candidates: Candidates,
        server: ServerTransaction | None,
    ) -> None:
        self._forwarder = forwarder
        self._candidates = candidates
        self.server = server
        request, flow = candidates.request, candidates.flow
        # The client agrees on keep-alives with us, and not with the front end.
        self._keeps_alive = (
            flow.first_hop
            and request is not None
            and asks_for_keep_alive(request, flow)
        )
        self.failure: Refusal | None = None
        self._best: Response | None = None
        self._challenges: Sequence[Response] = ()
        self.first_at = -1.0

    # -- what comes in -----------------------------------------------------------

    def add(self, response: Response) -> None:
        """A final response that does not end the search by itself (item 5)."""
        if response.status in CHALLENGES:
            self._challenges = (*self._challenges, response)
        if self._best is None or is_better(response, self._best):
            self._best = response

    def gave_up(self, cause: str, detail: str, peer: str) -> None:
        """An attempt has failed; ``cause`` is a key of ``replies.DIAGNOSTICS``.

        The last failure counts, but once somebody had the INVITE and kept silent, that
        stays the failure.
        """
        if self.failure is None or self.failure.status != SILENT:
            self.failure = self.failure_of(cause, detail, peer)

    def failure_of(self, cause: str, detail: str = "", peer: str = "") -> Refusal:
        """The answer for a target that could not be reached."""
        source, server = self._forwarder.settings.source, self.server
        is_invite = server is not None and server.method == b"INVITE"
        target = self._candidates.target
        return unreached(target, is_invite, source, cause, detail, peer)

    # -- what goes out -----------------------------------------------------------

    def provisional(self, status: int, data: bytes, now: float) -> None:
        """Send on a provisional response (item 5); never a 100, which is hop by hop."""
        if self.first_at < 0.0:
            self.first_at = now
        assert self.server is not None
        self.server.respond(status, data, now)

    def trying(self, now: float) -> None:
        """Send 100 for a request that takes long and has had no response yet."""
        request = self._candidates.request
        if self.server is not None and self.server.state == "trying":
            assert request is not None
            self.server.respond(100, reply(request, 100), now)

    def of_success(
        self, transaction: ClientTransaction, response: AnyResponse
    ) -> bytes:
        """The bytes of a 2xx as it goes back."""
        data = returned(transaction, response)
        return with_keep_alive(data) if self._keeps_alive else data

    def best(self, is_cancelled: bool) -> tuple[int, bytes]:
        """Status and bytes of the best response (item 6); without bytes ``give`` makes
        a plain refusal with that status."""
        best, forwarder = self._best, self._forwarder
        request = self._candidates.request
        if best is None:
            if is_cancelled:
                return 487, b""
            if request is not None and self._is_sign_in:
                forwarder.affinity.forget_home(request.from_aor())
            return self.refusal(self.failure or self.failure_of("unreachable"))
        instead = replacement(best, forwarder.settings.source)
        if instead is not None:
            return self.refusal(instead)
        # A legacy client connects to the home server that a 301 names, and would never
        # come back to us (decision 52).
        if best.status == 301 and request is not None and self._is_sign_in:
            flow = self._candidates.flow
            return 301, forwarder.first_hop.redirected(best, request, flow)
        return best.status, with_challenges(best, self._challenges)

    def refusal(self, refusal: Refusal) -> tuple[int, bytes]:
        """Status and bytes of a refusal."""
        request = self._candidates.request
        if self.server is None or request is None:
            return refusal.status, b""
        return refusal.status, refuse(request, refusal, self._forwarder.settings.source)

    @property
    def _is_sign_in(self) -> bool:
        """True for a REGISTER that a client of a first-hop listener sends through."""
        return (
            self._candidates.flow.first_hop
            and self._candidates.target.rule == "default"
            and self.server is not None
            and self.server.method == b"REGISTER"
        )

    def give(
        self,
        status: int,
        data: bytes,
        attempts: Sequence[tuple[str, str, float]],
        started: float,
        now: float,
    ) -> None:
        """Send the final answer, and give the shell what the access log and the usage
        ledger need."""
        request, server = self._candidates.request, self.server
        if server is not None and request is not None:
            if not data:
                _, data = self.refusal(Refusal(status))
            server.respond(status, data, now)
            if not self._candidates.is_in_dialog:
                self._log(request, status, attempts, started, now)
            elif (status >= 500 and status not in CALLERS) or status in _LOST:
                self._note_failure(request, status)
        self._best = self.failure = None
        self._challenges = ()

    def _note_failure(self, request: Request, status: int) -> None:
        """Tell the shell that a pool has failed a request inside a dialog, or has not
        answered it."""
        target, router = self._candidates.target, self._forwarder.next_hops.router
        if target.rule != "dialog" or target.lookup is None:
            return
        if request.method == b"BYE" and status == 481:
            return  # both ends have hung up
        host = target.lookup.host
        pool = router.front_ends.get(host, "")
        if pool:
            endpoint = router.table.by_tag.get(target.tag)
            key = "" if endpoint is None else endpoint.key
            call_id = request.value("call-id") or b""
            note = commands.NotePoolFailure(key, pool, status, call_id, host)
            self._forwarder.out.append(note)

    def _log(
        self,
        request: Request,
        status: int,
        attempts: Sequence[tuple[str, str, float]],
        started: float,
        now: float,
    ) -> None:
        target, forwarder = self._candidates.target, self._forwarder
        if target.endpoint or forwarder.settings.log_access:
            first_at = now if self.first_at < 0.0 else self.first_at
            # Listed one by one: for starred arguments mypyc builds a tuple each time.
            entry = commands.LogAccess(
                request,
                self._candidates.flow,
                status,
                now - started,
                target.rule,
                target.endpoint,
                target.pool,
                attempts,
                first_at - started,
            )
            forwarder.out.append(entry)
