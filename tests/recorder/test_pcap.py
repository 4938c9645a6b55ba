"""Captures of kept messages, judged by tshark: every transport, both families."""

import shutil
import subprocess
from pathlib import Path

import pytest

from proxy.recorder.pcap import capture_of
from proxy.sip.flow import Flow, Listener
from tests.recorder.world import World
from tests.support.capture import AS_SIP
from tests.support.messages import request, response

pytestmark = pytest.mark.skipif(not shutil.which("tshark"), reason="no tshark")


@pytest.mark.parametrize("kind", ["text/plain", "application/sdp", "application/xml"])
@pytest.mark.parametrize(
    ("transport", "local", "peer", "port"),
    [
        ("udp", "10.0.0.5", "10.1.0.9", 5060),
        ("udp", "2001:db8::5", "2001:db8::9", 5060),
        ("tcp", "10.0.0.5", "10.1.0.9", 40_000),
        ("tls", "10.0.0.5", "10.1.0.9", 5061),
        ("tls", "::", "2001:db8::9", 5061),
        ("tcp", "0.0.0.0", "2001:db8::9", 5060),
    ],
)
def test_wireshark_reads_it(
    tmp_path: Path, transport: str, local: str, peer: str, port: int, kind: str
) -> None:
    world = World()
    world.client = Flow(Listener(transport, local, 5060), peer, port, 7)
    size = 900 if transport == "udp" else 60_000
    line = f"Content-Type: {kind}"
    asked = world.heard(request("INVITE sip:x@y", line, body=b"v" * size))
    for status in (100, 503):
        world.sent(response(asked, status))
    world.heard(request("ACK sip:x@y"))
    world.ended(asked, 503)
    world.look()
    file = tmp_path / "calls.pcap"
    file.write_bytes(capture_of(world.recorder.find(0, 1e12, 10)))
    fields = ("sip.Method", "sip.Status-Code", "sip.Call-ID", "_ws.malformed")
    done = subprocess.run(
        [
            *("tshark", "-n", "-r", str(file), *AS_SIP, "-Y", "sip", "-T", "fields"),
            *("-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"),
            *("-o", "ip.check_checksum:TRUE"),
            *(word for name in fields for word in ("-e", name)),
            *("-e", "_ws.expert.message"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[:4] for row in rows] == [
        ["INVITE", "", "call-1", ""],
        ["", "100", "call-1", ""],
        ["", "503", "call-1", ""],
        ["ACK", "", "call-1", ""],
    ]
    assert [row[4] for row in rows if "hecksum" in row[4]] == []
