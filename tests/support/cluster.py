"""Two nodes with one name on one Redis, each a `waypost serve` of its own."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import free_port
from tests.support.redis import RedisServer
from tests.support.service import HOST as ADMIN_HOST
from tests.support.service import ServiceProcess

Address = tuple[str, int]
HOSTS = ("127.0.0.81", "127.0.0.82")
CONFIG = """
[proxy]
domains = ["contoso.test"]
advertised_host = "sip.contoso.test"
[[listen]]
transport = "udp"
address = "{host}:{port}"
[[listen]]
transport = "tcp"
address = "{host}:{port}"
[store]
url = "{store}"
[admin]
listen = "127.0.0.16:{admin}"
{more}
[routes]
default = "sip:{next_hop};transport=udp"
[registrar]
enabled = true
trusted_networks = ["127.0.0.0/8"]
[server]
workers = {workers}
"""


class Node(ServiceProcess):
    """One node; its own address is ``address``."""

    address: tuple[str, int]

    def kill(self) -> None:
        """The whole node at once, as a power cut does."""
        assert self.child is not None
        self.child.kill()
        self.child.wait()


@dataclass
class Cluster:
    """Both nodes and the store that they share."""

    nodes: list[Node]
    redis: RedisServer


@contextmanager
def cluster(
    directory: Path,
    next_hop: Address,
    workers: tuple[int, int] = (2, 1),
    *,
    are_named: bool = False,
) -> Iterator[Cluster]:
    """Everything that is not for themselves goes to ``next_hop``, over UDP.

    ``are_named``: each knows the admin listeners of all.
    """
    redis = RedisServer(directory)
    redis.start()
    sip_port = free_port(HOSTS[0])
    nodes = []
    admins = [free_port(ADMIN_HOST) for _ in HOSTS]
    named = [f"{ADMIN_HOST}:{port}" for port in admins]
    file = json.dumps(str(directory / "admin.token"))
    more = f"token_file = {file}\nnodes = {json.dumps(named)}" if are_named else ""
    with ExitStack() as stack:
        stack.callback(redis.kill)
        for host, admin, count in zip(HOSTS, admins, workers, strict=True):
            folder = directory / host
            folder.mkdir()
            node = Node(folder, sip_port, admin)
            node.address = (host, sip_port)
            node.config.write_text(
                CONFIG.format(
                    host=host,
                    port=sip_port,
                    store=redis.url,
                    admin=node.admin,
                    next_hop=f"{next_hop[0]}:{next_hop[1]}",
                    workers=count,
                    more=more,
                )
            )
            stack.callback(node.end)
            node.start()
            nodes.append(node)
        for node in nodes:
            wait_for(lambda node=node: alive(node) == 2)  # type: ignore[misc]
        yield Cluster(nodes, redis)
        for node in nodes:
            assert "Traceback" not in node.log


def alive(node: Node) -> int:
    """How many nodes this one knows to be alive."""
    text = node.get("/metrics")[1]
    found = re.search(r"(?m)^waypost_nodes (\S+)$", text)
    return int(float(found[1])) if found else 0


def wait_for(holds: Callable[[], bool]) -> None:
    """Poll until it holds, at most 15 s."""
    end = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
