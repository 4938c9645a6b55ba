"""HEP3, read by a decoder of our own, written from the specification."""

import struct
from ipaddress import ip_address

import pytest

from proxy.recorder.hep import packet
from proxy.sip.flow import Flow, Listener
from tests.recorder.world import World
from tests.support.messages import request, response

# HEP3, table of the generic chunk types (vendor 0): number → name and how to read it.
CHUNKS = {
    1: ("family", lambda x: x[0]),
    2: ("protocol", lambda x: x[0]),
    3: ("source", lambda x: str(ip_address(x))),
    4: ("to", lambda x: str(ip_address(x))),
    5: ("source", lambda x: str(ip_address(x))),
    6: ("to", lambda x: str(ip_address(x))),
    7: ("source_port", lambda x: struct.unpack(">H", x)[0]),
    8: ("to_port", lambda x: struct.unpack(">H", x)[0]),
    9: ("seconds", lambda x: struct.unpack(">I", x)[0]),
    10: ("microseconds", lambda x: struct.unpack(">I", x)[0]),
    11: ("type", lambda x: x[0]),
    12: ("agent", lambda x: struct.unpack(">I", x)[0]),
    15: ("payload", bytes),
    17: ("correlation", bytes),
}


def decode(data: bytes) -> dict:
    """Every chunk of one packet; a length that is wrong does not pass."""
    assert data[:4] == b"HEP3"
    assert struct.unpack(">H", data[4:6])[0] == len(data)
    found, at = {}, 6
    while at < len(data):
        vendor, kind, size = struct.unpack(">HHH", data[at : at + 6])
        assert vendor == 0 and size >= 6 and at + size <= len(data)
        name, read = CHUNKS[kind]
        assert name not in found
        found[name] = read(data[at + 6 : at + size])
        at += size
    assert at == len(data)
    return found


def told(transport: str, local: str, peer: str) -> tuple[World, list[bytes]]:
    world = World()
    world.client = Flow(Listener(transport, local, 5060), peer, 40_000)
    packets: list[bytes] = []
    world.recorder.kept.tell = lambda message, call_id: packets.append(
        packet(message.to_json(), call_id)
    )
    line = "Authorization: Digest response=S3CRET"
    asked = world.heard(request("INVITE sip:x@y", line, body=b"S3CRET" * 10))
    world.sent(response(asked, 503))
    world.ended(asked, 503)
    world.look()
    return world, packets


@pytest.mark.parametrize(
    ("transport", "local", "peer", "protocol", "family"),
    [
        ("udp", "10.0.0.5", "10.1.0.9", 17, 2),
        ("tls", "10.0.0.5", "10.1.0.9", 6, 2),
        ("tcp", "2001:db8::5", "2001:db8::9", 6, 10),
    ],
)
def test_a_packet_says_who_to_whom_when_and_what(
    transport: str, local: str, peer: str, protocol: int, family: int
) -> None:
    world, packets = told(transport, local, peer)
    asked, answered = map(decode, packets)
    (call,) = world.recorder.call("call-1")
    assert asked["payload"].decode("latin-1") == call["messages"][0]["data"]
    assert b"S3CRET" not in b"".join(packets)
    assert (asked["protocol"], asked["family"], asked["type"]) == (protocol, family, 1)
    assert (asked["source"], asked["source_port"]) == (peer, 40_000)
    assert (asked["to"], asked["to_port"]) == (local, 5060)
    assert (answered["source"], answered["to"]) == (local, peer)
    assert asked["correlation"] == b"call-1"
    at = call["messages"][0]["at"]
    assert asked["seconds"] + asked["microseconds"] / 1e6 == pytest.approx(at, abs=1e-5)
