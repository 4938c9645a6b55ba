"""What belongs to another worker is handed over to it, whole and as it came.

Never on the normal way: a client's socket always meets the same worker, answers come
to the port or the connection that the request left from.  Here is what is left: a
client that changed its port, an answer that came some other way.
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
    """Decides whether something is a sibling's, and commands that it be given to it."""

    __slots__ = ("_out", "siblings")

    def __init__(self, siblings: Siblings, out: list[commands.Command]) -> None:
        self.siblings = siblings
        self._out = out

    def request(self, request: Request, flow: Flow, key: bytes) -> bool:
        """A request without a transaction here: True when a sibling has it.

        A CANCEL belongs to what it means, and an ACK has its INVITE's key anyway.
        """
        # An ACK, a CANCEL or a repetition from another port of the client: the kernel
        # chooses the worker by address and port.
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
        """A response to no request of ours: True when a sibling sent the request."""
        owner = -1 if branch is None else self.siblings.owner_of_branch(branch)
        if owner < 0:
            return False
        self._out.append(commands.HandOver(owner, flow, data))
        return True

    def refused(self, flow: Flow, data: bytes, reason: str) -> None:
        """ICMP gave back a datagram that may be a sibling's: the port is shared."""
        start = data.find(_OWN_BRANCH) + len(_OWN_BRANCH) - len(OWN_MARK)
        owner = self.siblings.owner_of_branch(data[start : start + 40])
        if owner >= 0:
            self._out.append(commands.HandOver(owner, flow, data, reason))

    def again(self, status: int, request: Request, flow: Flow, key: bytes) -> bool:
        """404, nobody here knows whom the request is for: True when it shall be looked
        at once more, after the siblings' news has been read."""
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
    """Branches that nobody else makes, and no earlier process of this worker."""
    if siblings is None:
        return Branches(rng.getrandbits(32), flows.listeners)
    return Branches(
        siblings.instance, flows.listeners, siblings.outlets, siblings.life << 28
    )
