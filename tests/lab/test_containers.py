"""The compose lab as a person runs it: image, journey, load, cutover, kills, end.

Needs root and some minutes, so it runs when asked: `make lab-test`, which CI does.
There a machine without an engine is a failure, not a skip.
"""

import json
import os
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from proxy.admin.access.tokens import PREFIX
from tests.lab.engine import BASE, ROOT, Engine, NoEngineError, running_engine

WANTED = bool(os.environ.get("WAYPOST_LAB"))
pytestmark = pytest.mark.skipif(not WANTED, reason="containers: make lab-test")
ENDPOINT = "sip:ocschat@contoso.test"
# Seconds; a machine may be slow, but who waits for a limit takes longer than this.
GRACE = 35  # stop_grace_period of docker/compose.yml
DRAIN = 30  # server.drain_seconds


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    # Not pytest's own directory: a socket's path must be short, and layers are large.
    with tempfile.TemporaryDirectory(prefix="wp-", ignore_cleanup_errors=True) as name:
        try:
            with running_engine(Path(name)) as engine:
                try:
                    engine.build_images()
                except (AssertionError, subprocess.TimeoutExpired) as error:
                    # Every test would try again, for minutes each.
                    pytest.exit(f"the images cannot be built: {error}", returncode=1)
                yield engine
        except NoEngineError as error:
            if os.environ.get("CI"):
                pytest.exit(f"no container engine: {error}", returncode=1)
            pytest.skip(f"no container engine on this machine: {error}")


@pytest.fixture(scope="module")
def lab(engine: Engine) -> Iterator[Engine]:
    engine.make("lab-up")
    yield engine
    started = time.monotonic()
    engine.make("lab-down")
    # The last test has only just started Waypost again: a stop must count even then.
    assert time.monotonic() - started < GRACE, "it was killed at the end of its grace"
    assert not engine.run("docker", "ps", "-aq").strip(), "lab-down left containers"


def inspect(engine: Engine, what: str) -> str:
    name = container(engine)
    return engine.run("docker", "inspect", "-f", "{{" + what + "}}", name).strip()


def container(engine: Engine) -> str:
    line = ("docker", "ps", "-aq", "-f", "label=com.docker.compose.service=waypost")
    return engine.run(*line).strip()


def in_waypost(engine: Engine, *line: str, check: bool = True) -> str:
    return engine.run("docker", "exec", container(engine), *line, check=check)


def metric(name: str) -> float:
    """A metric without labels, as Waypost itself shows it now."""
    request = urllib.request.Request("http://127.0.0.1:8060/metrics")
    request.add_header("Authorization", "Bearer a-token-for-the-lab-only")
    with urllib.request.urlopen(request, timeout=20) as response:
        lines = response.read().decode().splitlines()
    return float(next(x for x in lines if x.startswith(f"{name} ")).split()[1])


def test_the_image_has_no_compiler_no_pip_and_no_root(engine: Engine) -> None:
    look = "id -u; for x in cc gcc pip pip3; do command -v $x; done; true"
    line = ("docker", "run", "--rm", "--entrypoint", "sh", "waypost", "-c", look)
    assert engine.run(*line).split() == ["10060"]


def test_what_waypost_adds_to_its_base_is_small(engine: Engine) -> None:
    def megabytes(image: str) -> float:
        line = ("docker", "image", "inspect", "-f", "{{.Size}}", image)
        return int(engine.run(*line)) / 1e6

    added = megabytes("waypost") - megabytes(BASE)
    print(f"waypost {megabytes('waypost'):.0f} MB, of which {added:.0f} MB are added")
    page = (ROOT / "docs/deploy.md").read_text()
    stated = re.search(r"adds (\d+) MB to its base", page)
    assert stated and added < int(stated[1]) * 1.1


def test_the_environment_overrides_the_file_of_the_image(engine: Engine) -> None:
    line = ("docker", "run", "--rm", "-e", "WAYPOST_LOG_LEVEL=debug", "waypost")
    assert 'level = "debug"' in engine.run(*line, "config", "show")


def test_waypost_is_healthy_on_a_root_it_cannot_write(lab: Engine) -> None:
    for _ in range(60):
        if inspect(lab, ".State.Health.Status") == "healthy":
            break
        time.sleep(0.5)
    assert inspect(lab, ".State.Health.Status") == "healthy"
    assert "Read-only" in in_waypost(lab, "touch", "/opt/x", check=False)


def test_before_the_cutover_the_old_service_answers(lab: Engine) -> None:
    for _ in range(40):
        if "gc-old-channel@contoso.test: 200" in lab.make("lab-logs"):
            break
        time.sleep(0.5)
    output = lab.make("lab-journey")
    assert output.count("ok ") == 12 and "sip:gc-old-channel@contoso.test" in output


def test_the_cutover_leads_the_legacy_client_to_the_new_pool(lab: Engine) -> None:
    output = lab.make("lab-cutover")
    assert f"created {ENDPOINT} -> pcpool.contoso.test" in output
    assert output.count("\nok ") == 12
    assert "GC-1-PersistentChatService-1" in output


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_the_journey_goes_through(lab: Engine, transport: str) -> None:
    output = lab.make("lab-journey", f"TRANSPORT={transport}")
    assert "FAIL" not in output and output.count("ok ") == 12


def test_no_call_of_a_mixed_load_fails(lab: Engine) -> None:
    lab.make("lab-load", "SCENARIO=mixed", "RATE=20", "SECONDS=8")


@pytest.mark.parametrize("scenario", ["long", "cancel", "pool_bye"])
def test_no_call_of_another_scenario_fails(lab: Engine, scenario: str) -> None:
    lab.make("lab-load", f"SCENARIO={scenario}", "RATE=10", "SECONDS=2")


def test_no_call_fails_while_a_front_end_is_killed_and_comes_back(lab: Engine) -> None:
    lab.make("lab-kill-front-end", "RATE=20", "SECONDS=12")


def test_dialogs_endpoints_and_bindings_outlive_the_proxys_death(lab: Engine) -> None:
    lab.make("lab-load", "SCENARIO=register", "RATE=10", "SECONDS=2")
    assert metric("waypost_bindings") == 20
    output = lab.make("lab-kill-proxy")
    _, calls, ok, failed = output.splitlines()[-1].split()[1:5]
    assert (calls, ok, failed) == ("60", "60", "0")
    assert ENDPOINT in in_waypost(lab, "waypost", "endpoint", "get")
    assert metric("waypost_bindings") == 20


def test_a_node_dies_and_nothing_is_lost(lab: Engine) -> None:
    output = lab.make("lab-kill-node", "RATE=20", "SECONDS=10")
    assert "carried on by the other node 60, broken 0" in output
    assert re.search(r"answered with 200: [1-9]\d*, lost: 0", output)
    assert re.search(r"by the dead node: [1-9]\d*, lost: 0", output)


def test_the_console_shows_both_nodes_and_the_endpoint(lab: Engine) -> None:
    output = lab.make("lab-console")
    token = next(x for x in output.splitlines() if x.startswith(PREFIX))
    url = re.search(r"console at (https://\S+)", output)
    assert url, output
    # Its certificate is its own: there is nothing to compare it with.
    with httpx.Client(base_url=url[1], verify=False, timeout=20) as browser:

        def asked(path: str) -> httpx.Response:
            for _ in range(60):
                try:
                    return browser.get(path)
                except httpx.TransportError:  # it is starting
                    time.sleep(0.5)
            raise AssertionError(lab.make("lab-logs"))

        page = asked("/")
        assert page.status_code in (200, 303, 307), page.text
        assert asked("/api/v1/nodes").status_code == 401
        browser.headers["Authorization"] = f"Bearer {token}"
        nodes = asked("/api/v1/nodes").json()
        assert [node["answers"] for node in nodes] == [True, True], nodes
        table = asked("/api/v1/endpoints").json()
        assert ENDPOINT in [each["sip_address"] for each in table], table


def test_a_stranger_learns_no_metrics(lab: Engine) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen("http://127.0.0.1:8060/metrics", timeout=20)


@pytest.mark.parametrize("page", ["README.md", "docs/deploy.md"])
def test_every_step_of_the_page_is_one_of_these(page: str) -> None:
    text = (ROOT / page).read_text()
    named = set(re.findall(r"^make (lab-[\w-]+)", text, re.MULTILINE))
    done = set(re.findall(r'make\("(lab-[\w-]+)"', Path(__file__).read_text()))
    assert named and named <= done


def test_prometheus_scrapes_waypost(lab: Engine) -> None:
    url = "http://127.0.0.1:9090/api/v1/query?query=waypost_ready"
    for _ in range(20):
        with urllib.request.urlopen(url, timeout=20) as response:
            found = json.load(response)["data"]["result"]
        if found and found[0]["value"][1] == "1":
            return
        time.sleep(1)
    raise AssertionError(f"waypost_ready is {found}")


def test_a_stop_drains_and_ends_with_zero(lab: Engine) -> None:
    name = container(lab)
    started = time.monotonic()
    lab.run("docker", "stop", "-t", "35", name)
    assert time.monotonic() - started < DRAIN, "nothing was open, so it ends at once"
    assert inspect(lab, ".State.ExitCode") == "0"
    assert "service.draining" in lab.run("docker", "logs", name)
    lab.run("docker", "start", name)
