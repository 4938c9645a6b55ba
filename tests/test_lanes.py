"""Lanes of tests: all are run and told of once, and none vanishes in silence."""

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PORT = 5099
WAITS = f"""
import os, socket, time
import pytest

FOLDER = os.path.dirname(__file__)

@pytest.fixture(scope="session")
def shared():
    yield
    open(f"{{FOLDER}}/ended.{{os.getpid()}}", "x").close()

def test_one_address_is_free_in_each_lane(shared, tmp_path):
    with socket.socket() as here:
        here.bind(("127.0.0.1", {PORT}))
        open(f"{{FOLDER}}/{{__name__}}.bound", "x").close()
        end = time.monotonic() + 20
        while sum(x.endswith(".bound") for x in os.listdir(FOLDER)) < 2:
            assert time.monotonic() < end, "the other lane never ran"
            time.sleep(0.02)
    print("said by", __name__)
    assert __name__ != "test_b", "this one fails"

@pytest.mark.parametrize("number", range(3))
def test_more(number, shared):
    if number == 2:
        pytest.skip("for a reason")
"""


def may_make_networks() -> bool:
    """Asked of a child: it would be ours."""
    if (child := os.fork()) == 0:
        os._exit(ctypes.CDLL(None).unshare(0x40000000) != 0)
    return os.waitpid(child, 0)[1] == 0


pytestmark = pytest.mark.skipif(not may_make_networks(), reason="needs root")


def run(folder: Path, lanes: int, *more: str) -> tuple[int, str]:
    """Run the tests of a folder; the exit code and what was said."""
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -q -ra\n")
    line = "-m pytest -p no:cacheprovider -p tests.support.lanes --lanes".split()
    done = subprocess.run(
        [sys.executable, *line, str(lanes), *more],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


def test_each_test_runs_once_in_a_network_of_its_own(tmp_path: Path) -> None:
    for name in ("test_a", "test_b"):
        (tmp_path / f"{name}.py").write_text(WAITS)
    code, said = run(tmp_path, 2)
    assert code == 1
    assert re.search(r"^1 failed, 5 passed, 2 skipped", said, re.MULTILINE), said
    assert said.count("said by test_b") == 1 and "said by test_a" not in said
    assert said.count("SKIPPED [1] test_") == 2 and "for a reason" in said
    assert len(list(tmp_path.glob("ended.*"))) == 2, "what a lane shares ends with it"


def test_a_lane_that_dies_fails_the_run_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_well(): pass\n")
    (tmp_path / "test_b.py").write_text("import os\ndef test_dies(): os._exit(0)\n")
    code, said = run(tmp_path, 2)
    assert code == 1
    assert "1 failed, 1 passed" in said
    assert "a lane vanished here" in said and "FAILED test_b.py::test_dies" in said


def test_the_first_failure_may_end_it(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_fails(): assert 0\n")
    (tmp_path / "test_b.py").write_text(
        "import time\ndef test_waits(): time.sleep(100)\n"
    )
    code, said = run(tmp_path, 2, "-x")
    assert code == 1
    assert "stopping after 1 failures" in said
