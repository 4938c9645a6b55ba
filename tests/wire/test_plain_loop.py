"""A Python whose event loop has changed inside: asyncio's own loop serves as well."""

import signal
import socket
import subprocess
import sys

import pytest

from tests.support.service import HOST, new_service, sip_request
from tests.support.until import told
from tests.wire.test_service import ask, wait_for_log

# The service, on a Python in which the timers of the loop have another name.
PROGRAM = """
import sys
import proxy.net.event_loop
proxy.net.event_loop.NEEDED = ("_ready", "_timers")
from proxy.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it always serves")
@pytest.mark.parametrize("workers", [1, 2])
def test_the_plain_loop_serves_and_the_log_says_so_once(tmp_path, workers) -> None:
    service = new_service(tmp_path)
    text = service.config.read_text()
    service.config.write_text(f"{text}workers = {workers}\n")
    line = [sys.executable, "-c", PROGRAM, "serve", "--config", str(service.config)]
    with (tmp_path / "log").open("wb") as log:
        service.child = subprocess.Popen(line, stdout=log, stderr=log)
    try:
        wait_for_log(service, "service.started")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.bind((HOST, 0))
            for number in range(4):
                port = client.getsockname()[1]
                request = sip_request("INVITE", branch=f"plain{number}", port=port)
                assert ask(client, service, request).startswith(b"SIP/2.0 ")
        service.signal(signal.SIGTERM)
        assert service.wait() == 0
    finally:
        service.end()
    (said,) = told(tmp_path / "log", "loop.plain")
    assert said["missing"] == ["_timers"]
