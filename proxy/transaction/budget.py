"""What strangers make us hold and make us send, in bytes.

Held are requests until they are answered, and answers until nobody can ask for them
again.  There is room for so much in all, a part of which is for friends alone, and for
so much of one source.  Sent to an address that has not shown that it hears us is at
most three times what came from it: a request with a forged source must not make us a
louder voice than its sender's (RFC 9000 section 8.1 has the same rule).
"""

from __future__ import annotations

from typing import Final

from proxy.sip.flow import Account, Flow
from proxy.sip.host import network_of

OVERHEAD: Final = 3_500
"""Bytes that a request costs besides its own, transactions of both sides together."""
COPIES: Final = 2
"""A request is held as it came and as it was forwarded."""
LOUDER: Final = 3
FINAL_IS_LONGER: Final = 200
"""Bytes by which a final answer exceeds a provisional one: a To tag, ms-diagnostics."""
ACCOUNTS: Final = 10_000
"""So many are kept, or twice as many as hold something: looking for idle ones costs
what all of them cost, and happens once in so many new sources."""
_WITHOUT_LIMIT: Final = 1 << 62


class Budget:
    """Bytes held, in all and by source; ``total`` is for everybody together.

    Three quarters of it are for strangers, two thirds of that for one source.
    ``shed`` counts requests that there was no room for, ``muted`` answers that were
    not sent.
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
        """The account of who is at the other end of ``flow``."""
        account = flow.account
        if account is None:
            host = flow.host
            # A host of IPv6 has all addresses of its /64.
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
        """So much came from an address that is not proven."""
        account = flow.account or self.account(flow)
        account.heard += bytes_

    def may_say(self, flow: Flow, data: bytes) -> bool:
        """Whether this may go to an address that is not proven; counts it.

        A stream has proven its address by being one.  A request of ours is no answer
        to anybody: it goes where a user has registered, or where we were told to look.
        A provisional answer leaves room for a final one that is a little longer: a
        client that gets none sends its request again, and so makes room itself.
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

    def _forget_idle(self) -> None:
        """Who holds nothing starts anew; what is held bounds how many do."""
        self._accounts = {k: a for k, a in self._accounts.items() if a.held > 0}
        self._most = max(ACCOUNTS, 2 * len(self._accounts))
