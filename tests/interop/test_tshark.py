"""Wireshark finds nothing wrong with what we send: no malformed packet, no warning.

Header names that it does not know are none of ours to mend (`ms-diagnostics` is one).
The flows over UDP and those of failover are judged where they are played, in
`test_twin.py`.
"""

import socket
from pathlib import Path

from proxy.journey.journey import Journey
from proxy.journey.legacy_client import LegacyClient
from proxy.lab.setting import ALIAS
from tests.interop import twin
from tests.interop.ends import End
from tests.interop.exchange import PASSWORDS, exchange
from tests.interop.flows import PLAIN, SENT, Stage
from tests.interop.test_sipsak import sipsak
from tests.support.capture import capture, needs_capture
from tests.support.scene import (
    DNS_HOST,
    FRONT_END_HOSTS,
    WAYPOST_HOST,
    waypost_scene,
)

pytestmark = needs_capture
OVER_UDP_ONLY = {"a_repeated_request_is_absorbed"}  # a stream loses nothing


async def test_the_flows_over_tcp(tmp_path: Path) -> None:
    front_end = End("fe1", FRONT_END_HOSTS[0])
    await front_end.listen()
    broken = []
    try:
        with capture(tmp_path / "tcp.pcapng") as seen:
            addresses = [(front_end.host, front_end.port)]
            async with waypost_scene(tmp_path, addresses, "tcp") as scene:
                for name in PLAIN.keys() - OVER_UDP_ONLY:
                    stage = Stage(scene.proxy, [front_end], "tcp")
                    record = await twin.play(stage, PLAIN[name])
                    broken += [name] if record.broke else []
    finally:
        await front_end.close()
    assert broken == []
    assert seen.complaints(WAYPOST_HOST, DNS_HOST) == []
    assert seen.lacks(WAYPOST_HOST, SENT) == []


async def test_a_registrar_and_the_journey_of_a_legacy_client(tmp_path: Path) -> None:
    with capture(tmp_path / "registrar.pcapng") as seen:
        async with exchange(tmp_path, "MD5", local=True) as world:
            words = ("-U", "-i", "-C", "sip:alice@127.0.0.63:5099", "-u", "alice")
            for transport in ("udp", "tcp"):
                for password in ("wrong", PASSWORDS["alice"]):
                    await sipsak(
                        *(world, "alice", *words, "-E", transport, "-a", password)
                    )
                await sipsak(world, "", "-E", transport)
                await sipsak(world, "nobody", "-E", transport)
                client = LegacyClient(world.scene.proxy, transport=transport)
                journey = Journey(client, ALIAS)
                steps = await journey.play()
                assert journey.ok, "\n".join(map(str, steps))
    assert seen.complaints(WAYPOST_HOST, DNS_HOST) == []
    sent = seen.messages(WAYPOST_HOST)
    assert sent["401"] >= 6
    assert sent["404"] == 2
    assert sent["UPDATE"] == 2


def test_the_judge_sees_what_is_wrong(tmp_path: Path) -> None:
    via = b"Via: SIP/2.0/UDP 127.0.0.66:99999;branch=z9hG4bKx\r\n"
    bad = b"OPTIONS sip:x@127.0.0.1 SIP/2.0\r\n" + via + b"Content-Length: x\r\n\r\n"
    with capture(tmp_path / "bad.pcapng") as seen:
        for data in (bad, b"no SIP at all"):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind(("127.0.0.66", 0))
                sender.sendto(data, ("127.0.0.67", 5999))
    found = seen.complaints("127.0.0.66", DNS_HOST)
    said = [line.partition(": ")[2] for line in found]
    assert said == [
        "malformed",
        "Invalid SIP Via sent-by-port",
        "Invalid content_length",
        "no SIP",
    ], found
