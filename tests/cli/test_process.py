"""The real command in processes of its own: speed, two at once, kill -9."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.cold
WAYPOST = str(Path(sys.executable).parent / "waypost")

WRITER = """
import asyncio, sys
from pathlib import Path
from proxy.admin import control
from proxy.config import load_config
from proxy.endpoints.changes import EndpointFields
from proxy.store import Actor, open_store

async def main():
    config = load_config(Path(sys.argv[1]))
    store = await open_store(config.store_url)
    operator = control.Operator(store, control.rules_of(config), Actor("w", "test"))
    for number in range(int(sys.argv[3])):
        address = f"{sys.argv[2]}-{number}@contoso.test"
        await control.new_endpoint(operator, address, EndpointFields("p.q"))
        print(address, flush=True)

asyncio.run(main())
"""


def run(*arguments, **more):
    return subprocess.run(
        [WAYPOST, *arguments], capture_output=True, text=True, timeout=30, **more
    )


def writer(config_file, name, count):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(config_file), name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )


def addresses(config_file):
    done = run("endpoint", "get", "--json", "--config", str(config_file))
    return [endpoint["sip_address"][4:] for endpoint in json.loads(done.stdout)]


def test_the_installed_command_creates_refuses_and_shows(config_file):
    line = ("endpoint", "new", "--sip-address", "a@contoso.test", "--pool-fqdn", "p.q")
    assert run(*line).returncode == 0
    again = run(*line)
    assert (again.returncode, again.stdout) == (1, "")
    assert "exists already" in again.stderr
    shown = run("endpoint", "get", env={**os.environ, "FORCE_COLOR": "1"})
    assert "\x1b" not in shown.stdout and "sip:a@contoso.test" in shown.stdout
    assert run("--version").stdout.startswith("waypost ")


def test_two_processes_that_change_at_once_lose_nothing(config_file):
    writers = [writer(config_file, name, 40) for name in ("left", "right")]
    written = [line for each in writers for line in each.communicate()[0].splitlines()]
    assert [each.returncode for each in writers] == [0, 0]
    assert sorted(written) == addresses(config_file) != []
    assert len(written) == 80


def test_processes_that_create_one_endpoint_at_once_agree_on_a_winner(config_file):
    line = (
        WAYPOST,
        "endpoint",
        "new",
        "--sip-address",
        "a@contoso.test",
        "--pool-fqdn",
    )
    racers = [
        subprocess.Popen(
            [*line, f"pool{n}.test"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for n in range(3)
    ]
    for racer in racers:
        racer.communicate()
    assert sorted(racer.returncode for racer in racers) == [0, 1, 1]
    assert addresses(config_file) == ["a@contoso.test"]


@pytest.mark.parametrize("turn", range(10))
def test_kill_9_during_changes_loses_nothing_acknowledged(config_file, turn):
    process = writer(config_file, "x", 10_000)
    first = process.stdout.readline()
    time.sleep(0.003 * turn)
    process.send_signal(signal.SIGKILL)
    acknowledged = [first, *process.stdout.readlines()]
    process.wait()
    expected = {line.strip() for line in acknowledged if line.endswith("\n")}
    found = set(addresses(config_file))
    assert expected <= found
    assert len(found - expected) <= 1
