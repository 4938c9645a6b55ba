"""`make load`: what it counts, and that its exit code can be trusted."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.lab.front_end import FrontEndServer
from proxy.lab.setting import free_address
from tests.sipp import load
from tests.support.scene import FRONT_END_HOSTS, waypost_scene

# `hold` lasts 12 s a call; the containers of `make lab-test` run it.
SHORT = (
    *("journey", "subscribe", "message", "register", "long", "failover", "cancel"),
    "pool_bye",
)
OF_TESTS_ONLY = {"cutover"}


@pytest.fixture(scope="module")
def lab_proxy() -> Iterator[str]:
    """Where the proxy of a running `waypost lab` listens."""
    command = (str(Path(sys.executable).with_name("waypost")), "lab")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as lab:
        try:
            assert lab.stdout is not None
            said = ""
            for line in lab.stdout:
                said += line
                if line.startswith("Ctrl-C"):
                    break
            found = re.search(r"^proxy +([\d.]+:\d+)", said, re.MULTILINE)
            assert found, said
            yield found[1]
        finally:
            lab.send_signal(signal.SIGINT)
            lab.communicate(timeout=20)


async def run_load(target: str, *more: str) -> tuple[int, str]:
    """Exit code and output of the tool, as a process of its own."""
    line = (sys.executable, load.__file__, "--target", target, "--local", "127.0.0.43")
    child = await asyncio.create_subprocess_exec(
        *(*line, *more), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await child.communicate()
    if child.returncode:
        print(errors.decode())  # what sipp complained about
    return child.returncode or 0, output.decode()


async def test_a_mixed_load_is_counted_and_ends_well(tmp_path: Path) -> None:
    front_end = FrontEndServer("fe1", FRONT_END_HOSTS[0])
    await front_end.start()
    try:
        async with waypost_scene(tmp_path, [(front_end.host, front_end.port)]) as scene:
            target = "{}:{}".format(*scene.proxy)
            # Over TCP: where a busy machine makes somebody repeat a message, sipp
            # counts the call as failed, and this is about the counting.
            words = ("--scenario", "mixed", "--rate", "20", "--seconds", "2")
            words += ("--transport", "tcp")
            code, output = await run_load(target, *words, "--json")
    finally:
        await front_end.stop()
    assert code == 0, output
    found = {row["scenario"]: row for row in json.loads(output)}
    assert {name: row["successful"] for name, row in found.items()} == {
        "journey": 20,
        "subscribe": 12,
        "message": 8,
    }
    assert all(row["failed"] == 0 and row["worst"] < 5000 for row in found.values())


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("scenario", SHORT)
async def test_every_scenario_runs_against_the_lab_of_make_run(
    lab_proxy: str, scenario: str, transport: str
) -> None:
    words = ("--scenario", scenario, "--rate", "5", "--seconds", "1")
    code, output = await run_load(lab_proxy, *words, "--transport", transport)
    assert code == 0, output


def test_no_scenario_is_left_out() -> None:
    known = {p.stem.removeprefix("uac_") for p in load.FOLDER.glob("uac_*.xml")}
    assert known == {*SHORT, *OF_TESTS_ONLY, "hold"}


async def test_a_target_that_refuses_makes_every_call_fail(tmp_path: Path) -> None:
    async with waypost_scene(tmp_path, [("127.0.0.23", 9)]) as scene:
        target = "{}:{}".format(*scene.proxy)
        words = ("--scenario", "message", "--rate", "10", "--seconds", "1")
        code, output = await run_load(target, *words, "--service", "nobody")
    assert code == 1
    row, why = output.splitlines()[-2:]
    name, _, calls, ok, failed, *_ = row.split()
    assert (name, calls, ok, failed) == ("message", "10", "0", "10")
    assert why == "message failed: 10 × 404"


async def test_a_target_where_nobody_is_is_named_before_the_load(capsys) -> None:
    for transport in ("udp", "tcp"):
        target = "127.0.0.99:{}".format(free_address("127.0.0.99", 0)[1])
        words = ["--target", target, "--transport", transport]
        assert load.main(words) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"nothing answers at {target} ({transport})")


async def test_a_scenario_of_ones_own_is_a_path(lab_proxy: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine.xml"
    mine.write_text((load.FOLDER / "uac_message.xml").read_text("latin-1"), "latin-1")
    words = ("--scenario", str(mine), "--rate", "5", "--seconds", "1")
    code, output = await run_load(lab_proxy, *words)
    assert code == 0 and output.splitlines()[-1].startswith("mine ")
    for wrong in (str(tmp_path / "other.xml"), "nonsense"):
        assert (await run_load(lab_proxy, "--scenario", wrong))[0] == 2


def test_failures_are_told_by_what_came() -> None:
    said = "on unexpected message for Call-Id '{}': received 'SIP/2.0 {} No\n"
    broken = ((1, 503), (2, 503), (3, 503), (4, 404), (4, 481))
    errors = "".join(said.format(*each) for each in broken)
    assert load.causes(errors, 6) == {"503": 3, "no answer": 2, "404": 1}
    assert load.causes("", 0) == {}


def test_every_scenario_can_be_timed_from_its_first_request_to_its_final_answer():
    for path in sorted(load.FOLDER.glob("uac_*.xml")):
        text = load.with_timer(path.read_text("latin-1"))
        assert text.count("start_rtd=") == 1, path.name
        assert text.count(' rtd="1"') == 1, path.name
        assert text.index("start_rtd=") < text.index(' rtd="1"'), path.name


def test_the_deploy_page_describes_every_scenario() -> None:
    page = (Path(__file__).parents[2] / "docs/deploy.md").read_text()
    for path in load.FOLDER.glob("uac_*.xml"):
        name = path.stem.removeprefix("uac_")
        assert f"| `{name}` |" in page or name in OF_TESTS_ONLY, name
