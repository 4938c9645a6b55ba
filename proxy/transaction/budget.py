"""Limits on the bytes that strangers make us hold and make us send.

We hold a request until it is answered, and its answer until nobody can ask for it
again.  There is one limit for all of this, a lower one for strangers together, and one
for each source (decision 85).  To an address that has not shown that it hears us, we
send at most three times the bytes that came from it: otherwise requests with a forged
source would flood its owner through us (decision 86; RFC 9000 section 8.1 has the same
rule).
"""

from __future__ import annotations

from typing import Final

from proxy.sip.flow import Account, Flow
from proxy.sip.host import network_of

OVERHEAD: Final = 3_500
"""Bytes that a request costs besides its own: its server and client transaction."""
COPIES: Final = 2
"""A request is held as it came and as it was forwarded."""
USUAL_LINES: Final = 24
"""Header lines that ``OVERHEAD`` allows for."""
OF_A_LINE: Final = 60
"""Bytes that each further line costs besides its own: the objects for it and its
name."""
LOUDER: Final = 3
"""Times the bytes heard that may go to an unproven address (RFC 9000 section 8.1)."""
FINAL_IS_LONGER: Final = 200
"""Bytes by which a final answer exceeds a provisional one: a To tag, ms-diagnostics."""
GARBLED: Final = 50
"""Unreadable messages of one source that we deal with in a second."""
GARBLED_AT_ONCE: Final = 200
"""So many may come at once: who tries a client or a test suite against us gets its
answers."""
NOISY: Final = 1.0
"""Seconds for which a source that sent more of them waits for all others."""
ACCOUNTS: Final = 10_000
"""Accounts kept before idle ones are dropped; twice those that hold something, if that
is more.  A look for idle ones goes over all accounts, so it has to be rare."""
_WITHOUT_LIMIT: Final = 1 << 62


def bytes_of(size: int, lines: int) -> int:
    """What a request of ``size`` bytes and so many lines counts for: a short line takes
    ten times its bytes."""
    beyond = lines - USUAL_LINES
    return size + beyond * OF_A_LINE if beyond > 0 else size


class Budget:
    """Bytes held, in all and by source; ``total`` is the limit for everybody together.

    Strangers may use three quarters of it, and one source of theirs one half.  ``shed``
    counts the requests that found no room, ``muted`` the answers that were not sent.
    """

    __slots__ = (
        "_accounts",
        "_for_one",
        "_for_strangers",
        "_most",
        "held",
        "muted",
        "shed",
        "total",
    )

    def __init__(self, total: int = _WITHOUT_LIMIT) -> None:
        self._accounts: dict[str, Account] = {}
        self._most = ACCOUNTS
        self.held = 0
        self.shed = 0
        self.muted = 0
        self.allow(total)

    def allow(self, total: int) -> None:
        """Use another limit from now on."""
        self.total = total
        self._for_strangers = total // 4 * 3
        self._for_one = total // 2

    def account(self, flow: Flow) -> Account:
        """The account of the source at the other end of ``flow``."""
        account = flow.account
        if account is None:
            host = flow.host
            # One IPv6 host can use every address of its /64.
            source = network_of(host) if ":" in host else host
            account = self._accounts.get(source)
            if account is None:
                if len(self._accounts) >= self._most:
                    self._forget_idle()
                account = self._accounts[source] = Account()
            flow.account = account
        return account

    def has_room(self, flow: Flow, size: int) -> bool:
        """Whether a request of ``size`` bytes can be taken on."""
        cost = COPIES * size + OVERHEAD
        held = self.held + cost
        if flow.is_proven:
            has_room = held <= self.total
        else:
            account = flow.account or self.account(flow)
            has_room = (
                held <= self._for_strangers and account.held + cost <= self._for_one
            )
        if not has_room:
            self.shed += 1
        return has_room

    def charge(self, flow: Flow, bytes_: int) -> None:
        """Hold so many bytes more (or fewer) for the source of ``flow``."""
        account = flow.account or self.account(flow)
        self.held += bytes_
        account.held += bytes_

    def heard(self, flow: Flow, bytes_: int) -> None:
        """Note that ``bytes_`` came from an address that is not proven."""
        account = flow.account or self.account(flow)
        account.heard += bytes_

    def may_say(self, flow: Flow, data: bytes) -> bool:
        """Whether ``data`` may go to an address that is not proven; counts it if so.

        The handshake of a stream has proven its address.  A request of ours may always
        go, because a forger does not choose where: it goes to where a user has
        registered, or to a configured place.  A provisional answer must leave room for
        a final one of a little more.  A client that gets no answer sends its request
        again, and these bytes make room.
        """
        if flow.reliable or flow.hears_us or not data.startswith(b"SIP/"):
            return True
        account = flow.account or self.account(flow)
        said = account.said + len(data)
        rest = 0
        if data.startswith(b"SIP/2.0 1"):
            rest = len(data) + FINAL_IS_LONGER
        if said + rest > LOUDER * account.heard:
            self.muted += 1
            return False
        account.said = said
        return True

    def may_garble(self, flow: Flow, now: float) -> bool:
        """Whether to deal with an unreadable message of a stranger; counts it if so.

        A client with a fault sends few.  Who sends them by the thousand would have us
        write as many answers, and would fill the tape of the recorder.  Its datagrams
        wait for those of others then (``net/datagrams/aside.py``).
        """
        account = flow.account or self.account(flow)
        passed = max(now - account.garbled_at, 0.0)
        garbled = max(account.garbled - passed * GARBLED, 0.0)
        account.garbled_at = now
        is_allowed = garbled <= GARBLED_AT_ONCE - 1
        if is_allowed:
            garbled += 1.0
        else:
            account.noisy_until = now + NOISY
        account.garbled = garbled
        return is_allowed

    def _forget_idle(self) -> None:
        """Drop the accounts that hold nothing; ``held`` bounds how many others are."""
        self._accounts = {k: a for k, a in self._accounts.items() if a.held > 0}
        self._most = max(ACCOUNTS, 2 * len(self._accounts))
