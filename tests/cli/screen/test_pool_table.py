"""How a pool stands on a screen: the questions, the front ends, their health."""

from proxy.admin.control import PoolView
from proxy.admin.pool_show import ServiceView, with_health
from proxy.cli.screen.pool_table import print_pool
from proxy.endpoints.model import Pool
from proxy.pools.description import FrontEndRow, PoolDescription

POOL = "pcpool.contoso.test"


def seen_over(transport, state):
    """What the service tells of one front end, as its page /pool has it."""
    change = {"at": "2026-03-02T09:42:11+00:00", "state": state, "reason": ""}
    return {
        **{"name": "fe1.contoso.test", "address": "127.0.0.21", "port": 5060},
        **{"transport": transport, "state": state, "reason": "", "state_for": 8.0},
        **{"drained": None, "calls": 41, "failed": 0, "next_probe_in": 2.0},
        **{"certificate_ends": None, "transitions": [change]},
    }


def test_a_front_end_on_two_transports_is_two_lines_that_differ(capsys):
    rows = [seen_over("udp", "ejected"), seen_over("tcp", "healthy")]
    named = tuple(
        FrontEndRow(
            *(1, x["transport"], x["name"], x["address"], x["port"], 0, 0, 1.0),
            *("unknown", 0.0, "", 0.0),
        )
        for x in rows[:1]
    )
    asked = PoolDescription(POOL, "", "", ("udp",), 0.0, 60.0, None, (), named)
    service = ServiceView(minutes=10, front_ends=tuple(rows))
    view = PoolView(Pool(POOL), ())
    print_pool(view, with_health(asked, service), ["127.0.0.53:53"], service)
    lines = capsys.readouterr().out.splitlines()
    both = [f"{transport}:127.0.0.21:5060" for transport in ("udp", "tcp")]
    told = [x for x in lines if x.split()[1:2] in ([both[0]], [both[1]])]
    assert [x.split()[1] for x in told] == 2 * both, "health, then calls"
    assert "healthy, not in DNS" in told[1]
    changes = [x.split() for x in lines if x.startswith("2026-03-02")]
    assert [x[4:6] for x in changes] == [["udp", "ejected"], ["tcp", "healthy"]]
    assert max(map(len, lines)) <= 80
