"""Builds of revisions of this repository, as users install them, kept by their commit.

Each is made from what git knows, in a folder and a virtual environment of its own: the
tree that a person works in is not touched, and what is not committed is not in it.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILDS = ROOT / "build" / "compare"
HERE = "."
"""The tree as it stands, with what is not committed."""
WORK = ("proxy", "config", "setup.py", "pyproject.toml", "README.md", "LICENSE")
KEPT = 6
"""Builds that stay; each takes some 100 MB."""


class RevisionError(Exception):
    """What was asked for cannot be built; the text is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One build: what it was called, which commit that is, and where it will be."""

    asked: str
    commit: str
    subject: str
    given: Path | None = None
    """A ``waypost`` that somebody has built already."""

    @property
    def folder(self) -> Path:
        """Where it is built and stays."""
        pure = "-pure" if os.environ.get("WAYPOST_PURE") == "1" else ""
        return BUILDS / ((self.commit[:12] or "here") + pure)

    @property
    def command(self) -> Path:
        """Its `waypost`."""
        if self.given is not None:
            return self.given
        return self.folder / "venv" / "bin" / "waypost"

    @property
    def title(self) -> str:
        """``main (f840626, Performance: wording)``."""
        if self.given is not None:
            return f"the build {self.given}"
        if not self.commit:
            return f"the tree as it stands, on {self.subject}"
        name = "" if self.commit.startswith(self.asked) else f"{self.asked} = "
        return f"{name}{self.commit[:7]} {self.subject}"


def resolve(asked: str, root: Path = ROOT) -> Revision:
    """The revision of that name, or the build at that path; raises RevisionError."""
    if "/" in asked and os.access(asked, os.X_OK) and Path(asked).is_file():
        return Revision(asked, "", "", Path(asked).absolute())
    if not shutil.which("git"):
        raise RevisionError("git is missing: apt-get install git")
    if _git(root, "rev-parse", "--git-dir").returncode:
        raise RevisionError(
            f"{root} is no git repository: compare works in a clone, which has the "
            "revisions"
        )
    name = "HEAD" if asked == HERE else asked
    # An option would be read as one: a revision begins with no dash.
    found = _git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    if name.startswith("-") or found.returncode:
        hint = "git log --oneline shows them"
        if _said(root, "rev-parse", "--is-shallow-repository") == "true":
            hint = "this clone is shallow, git fetch --unshallow brings the rest"
        raise RevisionError(f'there is no revision "{asked}" here: {hint}')
    commit = found.stdout.strip()
    if asked == HERE:
        return Revision(asked, "", commit[:7])
    return Revision(asked, commit, _said(root, "log", "-1", "--format=%s", commit))


def uncommitted(root: Path = ROOT) -> int:
    """How many files of the program differ from the last commit."""
    return len(_said(root, "status", "--porcelain", "--", *WORK).splitlines())


def build(revision: Revision, say: Callable[[str], None], root: Path = ROOT) -> None:
    """Make it unless it is there; raises RevisionError."""
    if revision.given is not None:
        return
    folder = revision.folder
    stamp = folder / ".stamp"
    if stamp.exists() and revision.commit:
        stamp.touch()  # the ones used last stay
        return
    say(f"building {revision.title} (a minute or two)")
    source = folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    _unpack(revision, source, root)
    venv = folder / "venv"
    if not (venv / "bin/python").exists():
        _run([sys.executable, "-m", "venv", str(venv)], "a virtual environment")
    pip = [str(venv / "bin/python"), "-m", "pip", "install", "--quiet"]
    pip += ["--disable-pip-version-check", "--force-reinstall", str(source)]
    _run(pip, revision.title)
    if not revision.command.exists():
        raise RevisionError(f"{revision.title} has no command waypost")
    stamp.touch()
    _forget_old(folder)


def is_compiled(revision: Revision) -> bool:
    """Whether its message path is compiled."""
    look = "import proxy.core.proxy as m; print(m.__file__)"
    line = [str(revision.command.with_name("python")), "-c", look]
    done = subprocess.run(line, capture_output=True, text=True, cwd="/")
    return done.returncode == 0 and not done.stdout.strip().endswith(".py")


def _unpack(revision: Revision, source: Path, root: Path) -> None:
    if not revision.commit:
        unwanted = shutil.ignore_patterns("__pycache__", "*.so")
        for name in WORK:
            if (root / name).is_dir():
                shutil.copytree(root / name, source / name, ignore=unwanted)
            else:
                shutil.copy(root / name, source / name)
        return
    archive = subprocess.Popen(
        ["git", "-C", str(root), "archive", revision.commit], stdout=subprocess.PIPE
    )
    subprocess.run(["tar", "-C", str(source), "-x"], stdin=archive.stdout, check=True)
    assert archive.stdout is not None
    archive.stdout.close()
    if archive.wait():
        raise RevisionError(f"git cannot read {revision.title}")


def _run(line: list[str], what: str) -> None:
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode:
        said = re.findall(r"(?m)^ *(?:ERROR|error):? *(.+)$", done.stderr + done.stdout)
        last = said[-1] if said else (done.stderr.strip() or "no reason given")[-200:]
        raise RevisionError(f"{what} cannot be built: {last}")


def _forget_old(current: Path) -> None:
    def used(folder: Path) -> float:
        stamp = folder / ".stamp"
        return stamp.stat().st_mtime if stamp.exists() else 0.0

    others = [each for each in BUILDS.iterdir() if each.is_dir() and each != current]
    for folder in sorted(others, key=used, reverse=True)[KEPT - 1 :]:
        shutil.rmtree(folder, ignore_errors=True)


def _said(root: Path, *words: str) -> str:
    return _git(root, *words).stdout.strip()


def _git(root: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    line = ["git", "-C", str(root), *words]
    return subprocess.run(line, capture_output=True, text=True)
