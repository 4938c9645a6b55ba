"""A rule is named where it refused, and nowhere else."""

import pytest

from proxy.recorder.ladder import steps_of
from tests.recorder.test_book import DIAGNOSTICS, lines
from tests.recorder.world import World
from tests.support.messages import request, response


@pytest.mark.parametrize(
    ("rule", "status", "says"),
    [
        ("endpoint", 410, "rule endpoint: the endpoint is retired"),
        ("endpoint", 504, ""),
        ("endpoint", 487, ""),
        ("default", 403, "rule default: the default route does not take it"),
        ("default", 504, ""),
        ("contact", 480, "rule contact: the client's connection is gone"),
        ("contact", 503, ""),
        ("dialog", 403, "rule dialog: its Route token leads to nobody of that dialog"),
        ("dialog", 504, ""),
        ("validation", 483, "rule validation: the request cannot be forwarded as"),
        ("pool", 504, ""),
    ],
)
def test_a_rule_is_named_only_for_what_it_refuses_itself(rule, status, says) -> None:
    """Where it had found a target, the reason is what became of that."""
    world = World()
    asked = world.heard(request("INVITE sip:dark@contoso.test"))
    world.sent(response(asked, status, DIAGNOSTICS))
    world.ended(asked, status, rule=rule)
    world.look()
    (line,) = lines(world)
    assert line["reason"].partition("; 1003;")[0].startswith(says or "1003;")
    (call,) = world.recorder.call("call-1")
    _, steps = steps_of(call)
    assert steps[-1].reason.startswith(says or "User does not exist")
