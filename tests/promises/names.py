"""R4: a day without DNS, on a virtual clock, with the resolver's own memory."""

import random

from proxy.pools.answers import Answer, DnsLimits, Question
from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from proxy.pools.refresh import ResolutionCache
from tests.promises.model import Outcome, Room
from tests.support.messages import request
from tests.support.playbook import HOSTS, POOL, START, Playbook

DAY = 86_400.0
TTL = 60.0
EVERY = 30.0  # seconds between two calls


def a_day_without_dns(room: Room) -> Outcome:
    """R4: one good answer, then none for a day, a call every half minute.

    The cache is the resolver's, its refreshes fall due as they would, and the calls
    go through the core.
    """
    lookup = Lookup(POOL)
    names = ResolutionCache(DnsLimits(), random.Random(1))
    front_end = FrontEnd("udp", HOSTS["fe1"], 5060, f"fe1.{POOL}", POOL)
    good = Resolution(
        lookup, {"udp": ((front_end,),)}, expires=START + TTL, resolved_at=START
    )
    asked = Question(f"fe1.{POOL}", "A")
    names.put(good, [Answer(asked, (HOSTS["fe1"],), TTL, START)], START)
    names.pin([lookup])
    play = Playbook(unresolved=True)
    calls = reached = refreshes = 0
    stale_after = 0.0
    while play.now < START + DAY:
        while (due := names.next_due()) is not None and due <= play.now:
            refreshes += len(names.take_due(play.now))
            failed = Resolution(
                *(lookup, {}),
                expires=play.now + 5,
                resolved_at=play.now,
                error="timeout",
            )
            kept, _ = names.put(failed, (), play.now)
            if kept.stale_since is not None and not stale_after:
                stale_after = kept.stale_since - START
        known = names.get(lookup, play.now)
        if known is not None:
            play.cached[lookup] = known
        calls += 1
        reached += _call(play, calls)
        play.advance_quietly(EVERY)
    return Outcome(
        reached == calls and 0 < stale_after <= TTL,
        f"{calls - reached} of {calls} calls failed in 24 h without DNS ({refreshes}"
        f" look-ups failed); shown as stale {stale_after:.0f} s after the last answer"
        f" (TTL {TTL:.0f} s)",
    )


def _call(play: Playbook, number: int) -> bool:
    """One INVITE; True when it reached the front end."""
    before = len(play.sent)
    via = f"SIP/2.0/UDP 10.1.0.9:40000;branch=z9hG4bK-day{number}"
    play.core.receive(play.flow("client"), request(via=via), play.now)
    play._carry_out(play.core.take_commands())
    return any(
        peer.startswith("fe1") and data.startswith(b"INVITE ")
        for peer, data in play.sent[before:]
    )
