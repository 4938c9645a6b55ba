"""What `make compare` says of two builds, and of what it cannot build."""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.__main__ import Figure
from tests.bench.compare import check, parsed, table, verdict
from tests.bench.revisions import ROOT, RevisionError, resolve, uncommitted

WANTED = bool(os.environ.get("WAYPOST_LAB"))


def figure(cost: float, failed: int = 0) -> Figure:
    return Figure(
        *("waypost", "journey", "udp", 100, 1000, failed, 0, 0.0),
        *(cost, 50.0, 1.25, 3.5),
    )


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ([5, 6, 5, 6], [4, 4.5, 4.9, 4], "B is better, -22.7 %"),
        ([4, 4.5, 4.9, 4], [5, 6, 5, 6], "B is worse, +29.4 %"),
        ([4, 6, 5, 5], [5, 4, 6, 5], "no difference shown (+0.0 %)"),
        ([4, 4], [5, 5], "+25.0 %, and chance alone does that 33% of the time"),
        ([4], [5], "+25.0 %, and chance alone does that 100% of the time"),
    ],
)
def test_a_difference_is_one_when_the_runs_are_apart_and_many(
    a: list[float], b: list[float], said: str
) -> None:
    assert verdict(a, b) == said


def test_the_table_has_medians_and_ranges_and_fits_the_screen() -> None:
    runs = {
        "A": [figure(cost) for cost in (1.0, 1.2, 1.1)],
        "B": [figure(cost, failed=1) for cost in (1.3, 1.4, 1.5)],
    }
    text = table(runs)
    assert "1.100 (1.000 - 1.200)" in text and "1.400 (1.300 - 1.500)" in text
    assert "1.25 (1.25 - 1.25)" in text  # finer than a millisecond
    assert "B: 3 of 3 runs are not sound (3 calls failed" in text
    assert max(map(len, text.splitlines())) <= 80


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
        (["--a=HEAD", "--rounds=0"], "rounds must be 1 or more"),
        (["--a=HEAD", "--rate=-1"], "rate must be 1 or more"),
        (["--a=HEAD", "--transport=tls"], "a journey is measured over udp or tcp"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(words: list[str], said: str) -> None:
    with pytest.raises(RevisionError, match=said):
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
    line += ["--rate=20", "--seconds=2", "--warm=1", "--rounds=2", "--patience=1"]
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
    assert "A and B are the same: what differs is noise" in done.stdout
    assert "journey over udp, 20 calls/s, 2 rounds" in done.stdout
    rows = {line[:22].strip(): line[22:] for line in done.stdout.splitlines()}
    assert float(rows["p50 ms"].split()[0]) > 0, done.stdout
    assert float(rows["CPU s per 1,000 calls"].split()[0]) > 0, done.stdout
