"""Hands a message over to the worker that it belongs to, whole and as it came.

This is the exception: the datagrams of one client port always go to the same worker,
and answers come to the port or the connection that the request left from.  It is needed
when a client has changed its port, or an answer comes another way.
"""

from __future__ import annotations

import random
from typing import Final

from proxy.core import commands
from proxy.core.forwarding.branches import OWN_MARK, Branches
from proxy.core.siblings.directory import Siblings
from proxy.sip.flow import Flow, FlowTable
from proxy.sip.message import Request
from proxy.transaction.keys import cancelled_keys

_OWN_BRANCH: Final = b";branch=" + OWN_MARK


class Handover:
    """Decides whether a message belongs to a sibling, and commands to hand it over."""

    __slots__ = ("_out", "siblings")

    def __init__(self, siblings: Siblings, out: list[commands.Command]) -> None:
        self.siblings = siblings
        self._out = out

    def request(self, request: Request, flow: Flow, key: bytes) -> bool:
        """Hand over a request without a transaction here, if a sibling has it.

        A CANCEL belongs to the request that it stops, and an ACK has the key of its
        INVITE.  False when no sibling has it.
        """
        # The kernel chooses the worker by the client's address and port, so an ACK, a
        # CANCEL or a repetition from another port comes to another worker.
        owner = -1
        keys = cancelled_keys(request) if request.method == b"CANCEL" else (key,)
        for each in keys:
            owner = self.siblings.transactions.owner(each)
            if owner >= 0:
                break
        else:
            return False
        self._out.append(commands.HandOver(owner, flow, bytes_of(request)))
        return True

    def response(self, branch: bytes | None, flow: Flow, data: bytes) -> bool:
        """Hand over a response that nobody here waits for, if a sibling sent the
        request; False otherwise."""
        owner = -1 if branch is None else self.siblings.owner_of_branch(branch)
        if owner < 0:
            return False
        self._out.append(commands.HandOver(owner, flow, data))
        return True

    def refused(self, flow: Flow, data: bytes, reason: str) -> None:
        """ICMP gave back a datagram on a shared port: hand it over if a sibling sent
        it."""
        start = data.find(_OWN_BRANCH) + len(_OWN_BRANCH) - len(OWN_MARK)
        owner = self.siblings.owner_of_branch(data[start : start + 40])
        if owner >= 0:
            self._out.append(commands.HandOver(owner, flow, data, reason))

    def again(self, status: int, request: Request, flow: Flow, key: bytes) -> bool:
        """Put a request off that would get 404, until the news of the siblings has been
        read (decision 61); False for any other status."""
        if status != 404:
            return False
        self._out.append(
            commands.HandOver(self.siblings.index, flow, bytes_of(request))
        )
        self.siblings.waits_for_news(key)
        return True


def bytes_of(request: Request) -> bytes:
    return b"\r\n".join((*request.lines, b"", request.body))


def branches_for(
    flows: FlowTable, rng: random.Random, siblings: Siblings | None
) -> Branches:
    """The maker of our branches: unique among workers, and over their restarts."""
    if siblings is None:
        return Branches(rng.getrandbits(32), flows.listeners)
    return Branches(
        siblings.instance, flows.listeners, siblings.outlets, siblings.life << 28
    )
