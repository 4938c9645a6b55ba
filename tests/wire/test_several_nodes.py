"""Several nodes of one store are asked together, and a silent one is named."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from proxy.admin.in_force import InForce, in_force
from proxy.admin.observed.asking import _others
from proxy.config import load_config
from proxy.config.values import parse_host_port
from tests.support.cluster import Cluster, cluster
from tests.support.console import caller, new_token, running_console
from tests.support.ports import free_port

WAYPOST = str(Path(sys.executable).with_name("waypost"))


def say(world: Cluster, number: int) -> None:
    """A request to one node, which reaches nobody with it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.bind(("127.0.0.83", 0))
        host, port = sock.getsockname()
        sock.sendto(
            (
                "MESSAGE sip:bob@elsewhere.example SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{number};rport\r\n"
                "Max-Forwards: 70\r\nFrom: <sip:alice@contoso.test>;tag=1\r\n"
                f"To: <sip:bob@elsewhere.example>\r\nCall-ID: at-{number}\r\n"
                "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
            ).encode(),
            world.nodes[number].address,
        )
        assert sock.recv(65_535).startswith(b"SIP/2.0 504")


def typed(world: Cluster, *words: str) -> tuple[str, str]:
    line = [WAYPOST, "--config", str(world.nodes[0].config), *words]
    found = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    return found.stdout, found.stderr


def sees(url: str, token: str, *words: str) -> None:
    """Return when the first page of the console says so."""
    with httpx.Client(base_url=url, timeout=20) as browser:
        answer = browser.post("/sign-in", data={"token": token})
        assert answer.status_code == 303
        deadline = time.monotonic() + 20
        while not all(word in browser.get("/now").text for word in words):
            assert time.monotonic() < deadline, words
            time.sleep(0.2)


def until_both(world: Cluster) -> list[dict[str, str]]:
    deadline = time.monotonic() + 10
    while True:
        lines = json.loads(typed(world, "--json", "calls", "--aor", "alice")[0])
        if len(lines) == 2 or time.monotonic() > deadline:
            return list(lines)


def await_in_force(world: Cluster) -> None:
    """A change counts as in force when both nodes route by it."""
    words = "--sip-address", "ocschat@contoso.test", "--pool-fqdn", "pool.contoso.test"
    typed(world, "endpoint", "new", *words)
    config = load_config(world.nodes[0].config)
    assert in_force(config, 1) == InForce(True, 2)
    found = in_force(config, 9_999)
    assert (found.verdict, found.behind) == (False, tuple(config.admin.nodes))
    assert f"NOT in force yet at {config.admin.nodes[0]}" in str(found)


def test_calls_of_all_nodes_stand_in_one_list(tmp_path: Path) -> None:
    with cluster(tmp_path, ("127.0.0.84", 5060), (1, 1), are_named=True) as world:
        config = load_config(world.nodes[0].config)
        names = config.admin.nodes
        with world.nodes[0].config.open("a") as file:
            file.write(f'[console]\nlisten = "127.0.0.1:{free_port()}"\n')
        for number in (0, 1):
            say(world, number)
        lines = until_both(world)
        assert {(x["call_id"], x["node"]) for x in lines} == {
            *(("at-0", names[0]), ("at-1", names[1]))
        }
        kept, _ = typed(world, "--json", "trace", "at-1")
        assert json.loads(kept)[0]["node"] == names[1]
        shown, _ = typed(world, "status")
        assert f"{names[1]}: ready, up" in shown
        await_in_force(world)
        told = json.loads(typed(world, "--json", "explain", "bob@elsewhere.test")[0])
        assert [(x["problem"], x["differs"]) for x in told["nodes"]] == [("", [])] * 2
        shown, _ = typed(world, "explain", "bob@elsewhere.test")
        assert "all 2 nodes say the same" in shown
        token = new_token(world.nodes[0].config, "operator")
        with (
            running_console(world.nodes[0].config) as console,
            caller(console.url, token) as client,
        ):
            assert len(client.get("/calls?aor=alice").json()) == 2
            assert [x["answers"] for x in client.get("/nodes").json()] == [True, True]
            sees(console.url, token, "2 of 2 answer", names[1])
            world.nodes[1].kill()
            silent = f"The node {names[1]} does not answer"
            sees(console.url, token, "1 of 2 answer", silent)
            answer = client.get("/calls?aor=alice")
            assert [x["call_id"] for x in answer.json()] == ["at-0"]
            assert answer.headers["x-waypost-silent"] == names[1]
            rows = client.get("/nodes").json()
            assert [x["answers"] for x in rows] == [True, False]
            assert "no service answers at" in rows[1]["problem"]
        found = in_force(config, 1)
        assert (found.verdict, found.silent) == (True, (names[1],))
        assert f"1 of 2 nodes route by it; {names[1]} did not answer" in str(found)
        shown, _ = typed(world, "explain", "bob@elsewhere.test")
        assert f"{names[1]}: no service answers at" in " ".join(shown.split())
        lines, said = typed(world, "calls", "--aor", "alice")
        assert "at-0" in lines and f"note: without {names[1]}: no service" in said


def test_a_node_whose_listener_nobody_named_is_told(tmp_path: Path) -> None:
    with cluster(tmp_path, ("127.0.0.84", 5060), (1, 1)) as world:
        with world.nodes[0].config.open("a") as file:
            file.write(f'[console]\nlisten = "127.0.0.1:{free_port()}"\n')
        token = new_token(world.nodes[0].config, "viewer")
        with (
            running_console(world.nodes[0].config) as console,
            caller(console.url, token) as client,
        ):
            here, other = client.get("/nodes").json()
    assert here["answers"] and not other["answers"]
    assert "write its admin listener into [admin] nodes" in other["problem"]


def test_our_own_listener_is_asked_once(tmp_path: Path) -> None:
    file = tmp_path / "waypost.toml"
    file.write_text(
        '[proxy]\ndomains = ["a.test"]\nadvertised_host = "a.test"\n'
        '[[listen]]\ntransport = "udp"\n'
        'address = "127.0.0.1:5060"\n[store]\nurl = "sqlite:///w.db"\n'
        '[admin]\nlisten = "0.0.0.0:8060"\ntoken = "0123456789abcdef"\n'
        'nodes = ["127.0.0.1:8060", "127.0.0.1:8061", "192.0.2.7:8060"]\n'
    )
    found = _others(load_config(file))
    assert found == [parse_host_port(x) for x in ("127.0.0.1:8061", "192.0.2.7:8060")]
