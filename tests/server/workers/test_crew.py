"""A dead worker's last words make nobody ready."""

import asyncio
import io
import socket
from types import SimpleNamespace

from proxy.config import load_config
from proxy.server.workers.channel import Channel
from proxy.server.workers.crew import Crew


async def test_what_a_worker_said_before_it_died_makes_no_dead_place_ready(tmp_path):
    path = tmp_path / "waypost.toml"
    path.write_text(f"""
[proxy]
domains = ["contoso.test"]
[[listen]]
transport = "tcp"
address = "127.0.0.1:5060"
[store]
url = "sqlite:///{tmp_path}/waypost.db"
""")
    config = load_config(path, {})
    crew = Crew(config, SimpleNamespace(workers=[None], names=[]), io.StringIO())
    (worker,) = crew.workers
    worker.pid = 4711
    ours, theirs = socket.socketpair()
    listening = asyncio.ensure_future(crew._listen(worker, 4711, ours))
    channel = await Channel.open(theirs)
    while worker.channel is None:
        await asyncio.sleep(0)
    # It dies, and what it has written is read only then.
    channel.send({"ready": 3})
    worker.pid, worker.channel, worker.is_ready = 0, None, False
    channel.close()
    await asyncio.wait_for(listening, 5)
    assert not worker.is_ready and crew.ready == []
