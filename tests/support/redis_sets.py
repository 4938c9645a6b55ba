"""Several real Redis: a master with replicas and sentinels, or a small cluster.

Timeouts are short, as on one machine they may be: a dead master is replaced within two
or three seconds.
"""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.ports import free_port
from tests.support.redis import HOST, RedisServer

DOWN_AFTER = 800
"""Milliseconds of silence after which a master counts as dead."""
MASTER = "mymaster"
_REPLICATION = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until it holds; fails when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def _folder(directory: Path, name: str) -> Path:
    made = directory / name
    made.mkdir()
    return made


class SentinelSet:
    """A master, replicas, and three sentinels that watch them."""

    def __init__(
        self, directory: Path, replicas: int = 1, down_after: int = DOWN_AFTER
    ) -> None:
        self.directory = directory
        self.down_after = down_after
        options = ("--replica-announce-ip", HOST, *_REPLICATION)
        self.servers = [RedisServer(_folder(directory, "redis-0"), *options)]
        of_master = ("--replicaof", f"{HOST} {self.servers[0].port}")
        for number in range(replicas):
            folder = _folder(directory, f"redis-{number + 1}")
            self.servers.append(RedisServer(folder, *of_master, *options))
        self.ports = [free_port(HOST) for _ in range(3)]
        self._sentinels: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        hosts = ",".join(f"{HOST}:{port}" for port in self.ports)
        return f"redis+sentinel://{hosts}/{MASTER}/0"

    def start(self) -> None:
        """Start all, and wait until the sentinels know each other and the replicas."""
        for server in self.servers:
            server.start()
        for port in self.ports:
            self._start_sentinel(port)
        wanted = f"num-slaves {len(self.servers) - 1} num-other-sentinels 2"
        for port in self.ports:
            until(lambda at=port: self._facts(at) == wanted and self.is_synced())

    def _start_sentinel(self, port: int) -> None:
        file = self.directory / f"sentinel-{port}.conf"
        file.write_text(
            f"port {port}\nbind {HOST}\ndaemonize no\ndir {self.directory}\n"
            f"sentinel announce-ip {HOST}\n"
            f"sentinel monitor {MASTER} {HOST} {self.servers[0].port} 2\n"
            f"sentinel down-after-milliseconds {MASTER} {self.down_after}\n"
            f"sentinel failover-timeout {MASTER} 5000\n"
        )
        with (self.directory / f"sentinel-{port}.log").open("wb") as log:
            self._sentinels.append(
                subprocess.Popen(
                    ["redis-server", str(file), "--sentinel"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def _facts(self, port: int) -> str:
        words = redis_cli(port, "SENTINEL", "MASTER", MASTER).split("\n")
        facts = dict(zip(words[::2], words[1::2], strict=False))
        names = ("num-slaves", "num-other-sentinels")
        return " ".join(f"{name} {facts.get(name)}" for name in names)

    def is_synced(self) -> bool:
        """Every sentinel sees the link of every replica to its master."""
        return all(
            redis_cli(port, "SENTINEL", "REPLICAS", MASTER).count(
                "master-link-status\nok"
            )
            == len(self.servers) - 1
            for port in self.ports
        )

    def master(self) -> RedisServer:
        """Whom the sentinels call master now."""
        words = redis_cli(
            self.ports[0], "SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER
        ).split()
        return next(x for x in self.servers if str(x.port) == words[1])

    def kill(self) -> None:
        """All of them."""
        for child in self._sentinels:
            child.kill()
            child.wait()
        for server in self.servers:
            server.kill()


class ClusterSet:
    """Three masters, the first ones with a replica each."""

    def __init__(self, directory: Path, replicas: int = 1) -> None:
        options = (
            *("--cluster-enabled", "yes", "--cluster-node-timeout", str(DOWN_AFTER)),
            *("--cluster-announce-ip", HOST, *_REPLICATION),
            # One of three masters may be gone for as long as its replica needs.
            *("--cluster-require-full-coverage", "no"),
        )
        self.servers = []
        for number in range(3 + replicas):
            folder = _folder(directory, f"node-{number}")
            # A node's bus listens 10000 above its port, which leaves room for that.
            self.servers.append(RedisServer(folder, *options))
        self._replicas = replicas

    @property
    def url(self) -> str:
        hosts = ",".join(f"{HOST}:{x.port}" for x in self.servers)
        return f"redis+cluster://{hosts}"

    def start(self) -> None:
        """Start the nodes, share the slots out, and wait until all agree."""
        for server in self.servers:
            server.start()
        masters, replicas = self.servers[:3], self.servers[3:]
        ranges = ((0, 5460), (5461, 10922), (10923, 16383))
        for number, (master, slots) in enumerate(zip(masters, ranges, strict=True)):
            redis_cli(master.port, "CLUSTER", "ADDSLOTSRANGE", *map(str, slots))
            redis_cli(master.port, "CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
        until(self._all_met)
        for replica in replicas:
            node = redis_cli(self.owner().port, "CLUSTER", "MYID").strip()
            follow = ("CLUSTER", "REPLICATE", node)
            until(lambda at=replica, f=follow: "OK" in redis_cli(at.port, *f))
        for server in self.servers:
            until(lambda at=server: self._is_whole(at))

    def _all_met(self) -> bool:
        """Introduce the nodes, again where a busy machine was too slow for it."""
        met = True
        for server in self.servers[1:]:
            nodes = redis_cli(server.port, "CLUSTER", "NODES").splitlines()
            known = [x for x in nodes if "handshake" not in x and "noaddr" not in x]
            if len(known) < len(self.servers):
                met = False
                meet = ("CLUSTER", "MEET", HOST, str(self.servers[0].port))
                redis_cli(server.port, *meet)
        if not met:
            time.sleep(0.3)
        return met

    def _is_whole(self, server: RedisServer) -> bool:
        info = redis_cli(server.port, "CLUSTER", "INFO")
        slots = redis_cli(server.port, "CLUSTER", "SLOTS").split()
        named = all(str(each.port) in slots for each in self.servers)
        return "cluster_state:ok" in info and named

    def owner(self) -> RedisServer:
        """Who has our slot at the start; it gets the replica."""
        slot = int(redis_cli(self.servers[0].port, "CLUSTER", "KEYSLOT", "waypost"))
        return self.servers[0 if slot < 5461 else 1 if slot < 10923 else 2]

    def kill(self) -> None:
        """All of them."""
        for server in self.servers:
            server.kill()


def redis_cli(port: int, *words: str) -> str:
    """What a server answers; empty when it does not."""
    line = ["redis-cli", "-h", HOST, "-p", str(port), *words]
    done = subprocess.run(line, capture_output=True, text=True, timeout=5)
    return done.stdout
