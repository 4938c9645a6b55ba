"""Kamailio and Waypost do the same: every flow is played through both and compared.

A difference is either in `JUSTIFIED`, with its reason, or a failure; so is a reason
whose difference is gone.  `WAYPOST_TEST_TARGET=kamailio` plays both sides with
Kamailio: what differs then is the harness's own noise, and there must be none.
"""

import asyncio
import contextlib
import functools
from pathlib import Path

import pytest

from tests.interop import twin
from tests.interop.flows import BRIDGED, FAILOVER, PLAIN, SENT
from tests.support.capture import MAY_CAPTURE, Capture, capture, needs_capture
from tests.support.scene import (
    DNS_HOST,
    WAYPOST_HOST,
    kamailio_scene,
    scene_under_test,
    waypost_scene,
)

OWN_HOP = (
    "ACK for a non-2xx and CANCEL are requests of the proxy's own hop: they start with "
    "70 hops as RFC 3261 8.1.1.6 says; Kamailio copies the number of the INVITE"
)
REFUSED = (
    "Kamailio answers 477 when a connection is refused; a legacy client whose INVITE "
    "fails has no chat, so the next front end is tried"
)
NOTIFIED = (
    "a NOTIFY that overtakes the 200 to its SUBSCRIBE makes the dialog, so a proxy "
    "that wants to stay in it says so in every NOTIFY (RFC 6665 4.3); Kamailio's usual "
    "configuration does not"
)
# flow → {how the sentence of the difference begins: why it is right}
JUSTIFIED: dict[str, dict[str, str]] = {
    "busy": {"fe1 ACK hops: 69 | 70": OWN_HOP},
    "declined_everywhere": {"fe1 ACK hops: 69 | 70": OWN_HOP},
    "cancelled_while_ringing": {
        "fe1 CANCEL hops: 69 | 70": OWN_HOP,
        "fe1 ACK hops: 69 | 70": OWN_HOP,
    },
    "the_first_front_end_is_unavailable": {"fe1 ACK hops: 69 | 70": OWN_HOP},
    "cancel_of_nothing": {
        "caller got [] | ['481 CANCEL']": (
            "this configuration of Kamailio drops it; a stateful proxy that forwarded "
            "no INVITE has nothing to pass on, and silence makes the client repeat it"
        )
    },
    "options_to_the_proxy": {
        "caller 200 OPTIONS rest:": "ours says what it can: Allow, Supported, Accept"
    },
    "subscribe_and_notify": {
        "caller NOTIFY record_route: () | ('PROXY;udp;lr',)": NOTIFIED,
        "fe1 200 NOTIFY record_route: () | ('PROXY;udp;lr',)": NOTIFIED,
    },
    "the_first_front_end_refuses_connections": {
        "broke: fe2 waited for MESSAGE, got [] | no": REFUSED,
        "caller got ['477 MESSAGE', '477 MESSAGE'] | ['200 MESSAGE']": REFUSED,
        "fe2 got [] | ['MESSAGE']": REFUSED,
    },
}
# A silent front end is given up as soon as the twin gives it up.
PATIENCE = "\n[attempts]\nfirst_answer = 1.0\n"

Both = tuple[dict[str, twin.Record], dict[str, twin.Record], Capture | None]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """The records of every flow through the twin and through us, played once.

    And a capture of what went through us, where one may be made.
    """

    def directory(name: str) -> Path:
        return tmp_path_factory.mktemp(name)

    async def play() -> Both:
        ours = scene_under_test()
        if ours is waypost_scene:
            ours = functools.partial(waypost_scene, extra=PATIENCE)
        first = await twin.play_all(directory("twin"), kamailio_scene)
        file = directory("capture") / "ours.pcapng"
        with capture(file) if MAY_CAPTURE else contextlib.nullcontext() as seen:
            return first, await twin.play_all(directory("ours"), ours), seen

    return asyncio.run(play())


@pytest.mark.parametrize("name", [*PLAIN, *FAILOVER, *BRIDGED])
def test_a_flow_leaves_the_same_traces_as_through_kamailio(
    both: Both, name: str
) -> None:
    theirs, ours = both[0][name], both[1][name]
    found = list(twin.differences(theirs, ours))
    itself = scene_under_test() is kamailio_scene
    justified = {} if itself else JUSTIFIED.get(name, {})
    unexplained = [d for d in found if not any(d.startswith(j) for j in justified)]
    assert not unexplained, "\n".join(unexplained)
    gone = [j for j in justified if not any(d.startswith(j) for d in found)]
    assert not gone, f"no longer true: {gone}"


@needs_capture
def test_wireshark_finds_nothing_wrong_with_what_we_send(both: Both) -> None:
    if scene_under_test() is kamailio_scene:
        pytest.skip("it is Kamailio that would be judged")
    seen = both[2]
    assert seen is not None
    assert seen.complaints(WAYPOST_HOST, DNS_HOST) == []
    assert seen.lacks(WAYPOST_HOST, SENT) == []


def test_the_harness_sees_what_it_should(both: Both) -> None:
    record = both[0]["invite_answered_and_hung_up"]
    assert not record.broke
    assert [entry.what for entry in record.ends["caller"]] == [
        "100 INVITE",
        "180 INVITE",
        "200 INVITE",
        "200 BYE",
    ]
    assert [entry.what for entry in record.ends["fe1"]] == ["INVITE", "ACK", "BYE"]
    invite = record.ends["fe1"][0]
    assert invite.via == ("UDP PROXY branch", "UDP CALLER branch")
    assert invite.record_route == ("PROXY;udp;lr",)
