"""What `make compare` says of two builds, and of what it cannot build."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.compare import Run, check, configuration, parsed, sides_of, table
from tests.bench.paired import Round, Slice
from tests.bench.revisions import ROOT, Revision, RevisionError, resolve, uncommitted

WANTED = bool(os.environ.get("WAYPOST_LAB"))


def run(b: float, count: int = 8) -> Run:
    """So many rounds in which B costs ``b`` times what A does."""
    found = Run(
        rest={"A": 0.001, "B": 0.001},
        memory={"A": 50.0, "B": 51.25},
        faults={"A": 0.5, "B": 1.5},
    )
    for number in range(count):
        each = 1 + 0.001 * number
        times = [1.25, 3.5]
        a = Slice("A", 1000, 0, 0, 2.0, {"A": 0.202, "B": 0.002}, times)
        cpu = {"A": 0.002, "B": 0.2 * b * each + 0.002}
        other = Slice("B", 1000, 0, 0, 2.0, cpu, times)
        found.rounds.append(Round([a, other, other, a]))
    return found


def test_the_table_has_medians_and_a_verdict_and_fits_the_screen() -> None:
    found = run(1.1)
    text = table(found)
    assert "0.200    0.221   1.104 (1.101 - 1.107)" in text, text
    assert "B is worse, by 10.1 to 10.7 %" in text
    assert "3.50     3.50   1.000 (1.000 - 1.000)" in text
    assert "50.0     51.2" in text and "0.50     1.50" in text
    found.rounds[0].slices[1].failed = 3
    assert "1 of 8 rounds are not sound: 6 calls failed" in table(found)
    assert max(map(len, table(found).splitlines())) <= 80
    told = json.loads(json.dumps(found.to_json()))
    assert told["cpu"]["ratio"]["ratio"] == pytest.approx(1.10385, abs=1e-4)
    assert len(told["cpu"]["B"]) == 8


def test_configuration_is_put_into_its_sections() -> None:
    assert configuration(["log.access=false", "usage.ledger=false"]) == (
        "\n[log]\naccess = false\n\n[usage]\nledger = false\n"
    )
    options = parsed(
        ["--a=.", "--set=log.access=false", "--set-b=recorder.megabytes=0"]
    )
    sides = sides_of({side: Revision(".", "", "x") for side in "AB"}, options)
    assert "[recorder]" not in sides["A"].more
    assert sides["B"].more.endswith("[recorder]\nmegabytes = 0\n")


def test_a_build_can_be_given_by_its_path(tmp_path: Path) -> None:
    command = tmp_path / "waypost"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    found = resolve(str(command))
    assert found.command == command
    assert str(command) in found.title


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    def git(*words: str) -> None:
        line = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run([*line, *words], check=True, capture_output=True)

    git("init", "--quiet")
    (tmp_path / "setup.py").write_text("first\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "The first one")
    return tmp_path


def test_a_revision_has_its_commit_and_its_words(repository: Path) -> None:
    found = resolve("HEAD", repository)
    assert len(found.commit) == 40
    assert found.title == f"HEAD = {found.commit[:7]} The first one"
    assert found.folder.name.startswith(found.commit[:12])
    assert resolve(found.commit[:9], repository).title.startswith(found.commit[:7])
    assert resolve(".", repository).commit == ""


def test_what_is_not_committed_is_counted(repository: Path) -> None:
    assert uncommitted(repository) == 0
    (repository / "setup.py").write_text("second\n")
    (repository / "notes").write_text("nothing that is built\n")
    assert uncommitted(repository) == 1


@pytest.mark.parametrize("name", ["nonsense", "--all", "HEAD~7", ""])
def test_a_revision_that_is_not_there_is_one_sentence(
    repository: Path, name: str
) -> None:
    with pytest.raises(
        RevisionError, match=r"there is no revision .*: git log"
    ) as said:
        resolve(name, repository)
    assert "\n" not in str(said.value)


def test_a_shallow_clone_is_told_how_to_get_the_rest(repository: Path) -> None:
    clone = repository / "clone"
    line = ["git", "clone", "--quiet", "--depth", "1", f"file://{repository}"]
    subprocess.run([*line, str(clone)], check=True, capture_output=True)
    with pytest.raises(RevisionError, match="git fetch --unshallow"):
        resolve("HEAD~1", clone)


def test_a_folder_without_git_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RevisionError, match="is no git repository"):
        resolve("HEAD", tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name the revisions: make compare A="),
        (["--a=HEAD", "--scenario=walk"], 'no scenario "walk" to measure: invite, '),
        (["--a=HEAD", "--seconds=0"], "seconds must be 0.2 to 600"),
        (["--a=HEAD", "--set=megabytes=0"], "is no SECTION.KEY=VALUE"),
        (["--a=HEAD", "--set-a=store.url=x"], "writes [store] itself"),
        (["--a=HEAD", "--rounds=0"], "rounds must be 1 or more"),
        (["--a=HEAD", "--rate=-1"], "rate must be 1 or more"),
        (["--a=HEAD", "--transport=tls"], "a journey is measured over udp or tcp"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(words: list[str], said: str) -> None:
    with pytest.raises(RevisionError, match=re.escape(said)):
        check(parsed(words))


def test_each_scenario_has_a_rate_of_its_own() -> None:
    options: argparse.Namespace = parsed(["--a=HEAD", "--scenario=invite"])
    assert options.rate is None and options.b == "."


@pytest.mark.skipif(not WANTED, reason="builds Waypost: make lab-test")
def test_a_fresh_clone_is_built_and_measured(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    unwanted = shutil.ignore_patterns(
        ".venv*", "build", ".git", ".cache", "__pycache__"
    )
    shutil.copytree(ROOT, clone, ignore=unwanted)
    git = ["git", "-C", str(clone), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "All of it"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    line = [sys.executable, "-m", "tests.bench.compare", "--a=HEAD", "--b=HEAD"]
    line += ["--rate=20", "--seconds=1", "--warm=1", "--rounds=2", "--patience=1"]
    done = subprocess.run(
        line,
        cwd=clone,
        capture_output=True,
        text=True,
        timeout=500,
        # Compiled it takes minutes longer and shows no more.
        env={**os.environ, "WAYPOST_PURE": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "A and B are the same build" in done.stdout
    assert "journey over udp, 20 calls/s, 2 rounds of four turns" in done.stdout
    rows = {line[:22].strip(): line[22:] for line in done.stdout.splitlines()}
    assert float(rows["p50 ms"].split()[0]) > 0, done.stdout
    assert float(rows["CPU s per 1,000 calls"].split()[0]) > 0, done.stdout
