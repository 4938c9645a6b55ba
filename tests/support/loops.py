"""Both event loops: asyncio's own, and the one that `waypost serve` runs on.

A module that imports ``event_loop_policy`` runs its tests on each of them.
"""

import asyncio

import pytest

from proxy.net.event_loop import DirectEventLoop


class DirectPolicy(asyncio.DefaultEventLoopPolicy):
    """Makes the loop that `waypost serve` runs on."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return DirectEventLoop()


@pytest.fixture(scope="module", params=["asyncio's own loop", "the direct loop"])
def event_loop_policy(request: pytest.FixtureRequest):
    if request.param == "the direct loop":
        return DirectPolicy()
    return asyncio.DefaultEventLoopPolicy()
