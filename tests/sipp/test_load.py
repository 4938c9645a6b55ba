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
from tests.sipp import first_failure, load
from tests.support.ports import free_address
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
    code, output, errors = await run_whole(target, *more)
    if code:
        print(errors)  # what sipp complained about
    return code, output


async def run_whole(target: str, *more: str) -> tuple[int, str, str]:
    line = (sys.executable, "-m", load.__name__, "--target", target)
    line += ("--local", "127.0.0.43")
    child = await asyncio.create_subprocess_exec(
        *(*line, *more), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await child.communicate()
    return child.returncode or 0, output.decode(), errors.decode()


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
    for row in found.values():
        assert (
            row["failed"] == 0 and 0 < row["p50"] <= row["p99"] <= row["worst"] < 5000
        )
    # Finer than a tenth of a millisecond: a coarse clock has steps of 4 ms.
    assert any(row["p50"] * 10 % 1 for row in found.values())


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("scenario", SHORT)
async def test_every_scenario_runs_against_the_lab_of_make_run(
    lab_proxy: str, scenario: str, transport: str
) -> None:
    words = ("--scenario", scenario, "--rate", "5", "--seconds", "1")
    code, output = await run_load(lab_proxy, *words, "--transport", transport)
    assert code == 0, output
    assert all(float(ms) > 0 for ms in output.splitlines()[1].split()[-4:]), output


def test_no_scenario_is_left_out() -> None:
    known = {p.stem.removeprefix("uac_") for p in load.FOLDER.glob("uac_*.xml")}
    assert known == {*SHORT, *OF_TESTS_ONLY, "hold"}


async def test_the_first_failed_call_is_shown_as_the_proxy_recorded_it(
    tmp_path: Path,
) -> None:
    admin = '[admin]\nlisten = "{}:{}"\n'.format(*free_address("127.0.0.16"))
    async with waypost_scene(tmp_path, [("127.0.0.23", 9)], extra=admin) as scene:
        target = "{}:{}".format(*scene.proxy)
        words = ("--scenario", "message", "--rate", "10", "--seconds", "1")
        words += ("--service", "nobody", "--config", str(tmp_path / "waypost.toml"))
        code, output = await run_load(target, *words)
    assert code == 1
    _, row, why, _, first, *ladder = output.splitlines()
    name, _, calls, ok, failed, *_ = row.split()
    assert (name, calls, ok, failed) == ("message", "10", "0", "10")
    assert why == "message failed: 10 × 404"
    found = re.fullmatch(
        r"the first failed call of message, (1-\S+), as the proxy recorded it:", first
    )
    assert found and f"Call-ID {found[1]}" in ladder, output
    # Both sides of the proxy, and its own word at the place where it broke.
    assert any("404" in line and "<" in line for line in ladder), output
    assert any("no rule knows the address" in line for line in ladder), output


async def test_without_a_recorder_the_first_failed_call_is_as_sipp_saw_it(
    tmp_path: Path,
) -> None:
    other = tmp_path / "none.toml"
    other.write_text('[admin]\nlisten = "127.0.0.1:9"\n')
    async with waypost_scene(tmp_path, [("127.0.0.23", 9)]) as scene:
        target = "{}:{}".format(*scene.proxy)
        words = ("--scenario", "message", "--rate", "5", "--seconds", "1")
        words += ("--service", "nobody", "--config", str(other), "--json")
        code, output, errors = await run_whole(target, *words)
    assert code == 1
    assert json.loads(output)[0]["first_failed"] in errors
    _, said, asked, answered = errors.splitlines()[:4]
    assert said.endswith("as sipp saw it:")
    assert asked.split()[:4] == ["0.0", "ms", "->", "MESSAGE"]
    assert answered.split()[1:4] == ["ms", "<-", "404"]


def test_the_lab_that_listens_at_the_target_is_asked(lab_proxy: str) -> None:
    assert first_failure._lab_at(lab_proxy).endswith("/waypost.toml")
    assert first_failure._lab_at("127.0.0.5:1") == ""


async def test_a_target_where_nobody_is_is_named_before_the_load(capsys) -> None:
    for transport in ("udp", "tcp"):
        target = "127.0.0.99:{}".format(free_address("127.0.0.99")[1])
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
    mine.write_text("no scenario")
    code, output = await run_load(lab_proxy, *words)
    assert code == 1 and "sipp made no call: " in output
    for wrong in (str(tmp_path / "other.xml"), "nonsense"):
        assert (await run_load(lab_proxy, "--scenario", wrong))[0] == 2


def test_failures_are_told_by_what_came() -> None:
    said = "on unexpected message for Call-Id '{}': received 'SIP/2.0 {} No\n"
    broken = ((1, 503), (2, 503), (3, 503), (4, 404), (4, 481))
    errors = "".join(said.format(*each) for each in broken)
    assert load.causes(errors, 6) == {"503": 3, "no answer": 2, "404": 1}
    assert load.causes("", 0) == {}


def test_the_deploy_page_describes_every_scenario() -> None:
    page = (Path(__file__).parents[2] / "docs/deploy.md").read_text()
    for path in load.FOLDER.glob("uac_*.xml"):
        name = path.stem.removeprefix("uac_")
        assert f"| `{name}` |" in page or name in OF_TESTS_ONLY, name
