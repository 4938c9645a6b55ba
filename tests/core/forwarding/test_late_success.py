"""Each 2xx to INVITE goes back after the search is over (RFC 6026 section 8.4)."""

import pytest

from proxy.core import events
from proxy.sip.flow import Flow
from tests.support.messages import request, response


def accepted(play, client: str):
    """A call that fe1 has accepted; the INVITE that it got."""
    play.send(client, request(transport="TCP" if "/" in client else "UDP"))
    play.sees(f"{client} < 100", "fe1 < INVITE")
    invite = play.request_at("fe1")
    play.send("fe1", response(invite, 200))
    play.sees(f"{client} < 200")
    return invite


@pytest.mark.parametrize("client", ["client", "client/tcp"])
def test_a_repeated_2xx_goes_back_until_timer_m(play, client) -> None:
    invite = accepted(play, client)
    for seconds in (1.0, 30.0):
        play.advance(seconds)
        play.send("fe1", response(invite, 200))
        play.sees(f"{client} < 200")
    play.advance(2.0)
    play.send("fe1", response(invite, 200))
    play.sees()


def test_the_2xx_of_another_branch_of_a_fork_goes_back_with_its_own_tag(play) -> None:
    invite = accepted(play, "client")
    play.send("fe1", response(invite, 200, to_tag="other"))
    play.sees("client < 200")
    assert b";tag=other\r\n" in play.last("client")


@pytest.mark.parametrize("client", ["client", "client/tcp"])
@pytest.mark.parametrize("status", [180, 486])
def test_nothing_else_goes_back(play, client, status) -> None:
    invite = accepted(play, client)
    play.send("fe1", response(invite, status))
    play.sees()


def test_over_a_stream_that_has_ended_another_way_is_looked_for(play) -> None:
    invite = accepted(play, "client/tcp")
    play.closes("client/tcp")
    play.send("fe1", response(invite, 200))
    play.sees("connect client/tcp")
    (front_end,) = play._connecting.values()
    flow = Flow(play.flows.listeners[1], front_end.host, front_end.port, 99)
    play.flows.add_stream(flow)
    play._handle(events.FlowOpened(front_end, flow))
    play.sees("client/tcp < 200")
