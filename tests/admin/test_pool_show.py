"""What several nodes say of a pool is one view, and where they differ is told."""

import json
from contextlib import ExitStack

from proxy.admin.pool_show import ask_service
from proxy.config import load_config
from tests.support.told import listener

POOL = "pcpool.contoso.test"


def row(number, state="healthy", calls=1):
    return {
        **{"name": f"fe{number}.test", "transport": "tcp"},
        **{"address": f"10.0.0.{number}", "port": 5060, "state": state},
        **{"reason": "" if state == "healthy" else "refused", "state_for": 1.0},
        **{"drained": None, "since": None, "ejected_for": 0.0, "transitions": []},
        **{"next_probe_in": None, "certificate_ends": None, "calls": calls},
        **{"failed": 0, "failed_in_dialogs": 0},
    }


def page(*rows, known=True):
    return {
        **{"known": known, "error": "", "dns_age": 1.0, "dns_stale_for": None},
        **{"panic": False, "panics": 1, "minutes": 10, "front_ends": list(rows)},
        "chat_probe": {"front_ends": []},
    }


def config_of(tmp_path, ports):
    path = tmp_path / "waypost.toml"
    nodes = [f"127.0.0.1:{port}" for port in ports]
    more = f"nodes = {json.dumps(nodes)}" if len(nodes) > 1 else ""
    path.write_text(
        '[proxy]\ndomains = ["contoso.test"]\n'
        '[[listen]]\ntransport = "tcp"\naddress = "127.0.0.5:5060"\n'
        f'[store]\nurl = "sqlite:///w.db"\n[admin]\nlisten = "{nodes[0]}"\n'
        f'token = "0123456789abcdef"\n{more}\n'
    )
    return load_config(path), nodes


def asked(tmp_path, *pages):
    with ExitStack() as stack:
        ports = [stack.enter_context(listener(each)) for each in pages]
        config, nodes = config_of(tmp_path, ports)
        return ask_service(config, POOL), nodes


def test_one_node_alone_has_nothing_to_differ_from(tmp_path):
    found, _ = asked(tmp_path, page(row(1, "ejected")))
    assert (found.problem, found.nodes, found.differences) == ("", (), ())
    assert found.front_ends[0]["state"] == "ejected"


def test_the_worst_that_a_node_knows_is_shown_and_who_knows_better(tmp_path):
    found, (one, two) = asked(
        tmp_path, page(row(1), row(2)), page(row(1, "ejected", 2), row(2))
    )
    first, second = found.front_ends
    assert (first["state"], first["reason"], first["calls"]) == (
        "ejected",
        "refused",
        3,
    )
    assert (second["state"], found.panics) == ("healthy", 2)
    assert found.differences == (f"fe1.test is healthy at {one}; ejected at {two}",)
    assert [each["node"] for each in found.nodes] == [one, two]


def test_a_front_end_that_only_one_node_has_of_dns(tmp_path):
    found, (one, two) = asked(tmp_path, page(row(1)), page(row(1), row(3)))
    assert [x["name"] for x in found.front_ends] == ["fe1.test", "fe3.test"]
    assert found.differences == (f"fe3.test is unknown at {one}; healthy at {two}",)


def test_a_node_that_is_of_no_use_hides_nothing_of_the_others(tmp_path):
    for other, why in (
        (page(known=False), "no endpoint that leads to this pool"),
        ({"known": True}, "no Waypost of this version"),
        ([], "no Waypost of this version"),
    ):
        found, (_, two) = asked(tmp_path, page(row(1)), other)
        assert found.problem == "" and len(found.front_ends) == 1
        (said,) = found.differences
        assert said.startswith(f"without {two}: ") and why in said


def test_when_none_is_of_use_the_first_one_says_why(tmp_path):
    found, _ = asked(tmp_path, page(known=False), page(known=False))
    assert "no endpoint that leads" in found.problem and found.front_ends == ()
