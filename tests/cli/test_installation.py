"""`pip install` into a clean environment gives a working `waypost`.

The wheel is built as users build it, but without compiling and without fetching what
builds it: both are the business of `make test-built`, and take a minute.  What it
depends on comes from the environment of the tests, so nothing here needs a network.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from proxy import __version__
from tests.support.shapes import judge_document

ROOT = Path(__file__).parents[2]


def run(*line: str, **environment: str) -> str:
    done = subprocess.run(
        line,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
        timeout=240,
    )
    assert done.returncode == 0, f"{' '.join(line)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    line = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps")
    line += ("--no-build-isolation",)
    # From a copy: building leaves its traces in the source tree.
    source = tmp_path_factory.mktemp("source")
    unwanted = shutil.ignore_patterns("__pycache__", "*.so")
    for name in ("proxy", "config"):
        shutil.copytree(ROOT / name, source / name, ignore=unwanted)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run(*line, "--wheel-dir", str(folder), str(source), WAYPOST_PURE="1")
    (found,) = folder.glob("waypost-*.whl")
    return found


@pytest.fixture(scope="module")
def waypost(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in an environment that has nothing else."""
    folder = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    (packages,) = folder.glob("lib/python*/site-packages")
    (declared,) = metadata.distributions(name="waypost", path=[str(wheel)])
    for name in sorted(needs(declared)):
        copy(metadata.distribution(name), packages)
    line = (sys.executable, "-m", "pip", "--python", str(folder / "bin/python"))
    # Not --no-deps: pip itself says what is missing.
    run(*line, "install", "--quiet", "--no-index", "--no-compile", str(wheel))
    return folder / "bin/waypost"


def needs(distribution: metadata.Distribution) -> set[str]:
    """The names of what a distribution requires, and of what those require."""
    found: set[str] = set()
    waiting = list(distribution.requires or ())
    while waiting:
        requirement = Requirement(waiting.pop())
        marker = requirement.marker
        if requirement.name in found or (marker and not marker.evaluate({"extra": ""})):
            continue
        found.add(requirement.name)
        waiting += metadata.requires(requirement.name) or ()
    return found


def copy(distribution: metadata.Distribution, packages: Path) -> None:
    """The files of an installed distribution, compiled ones too; no scripts."""
    for file in distribution.files or ():
        if ".." not in file.parts:
            target = packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(distribution.locate_file(file), target)


def test_the_wheel_holds_the_package_and_its_types(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for ending in ("py", "lua"):
        files = (ROOT / "proxy").rglob(f"*.{ending}")
        sources = {str(path.relative_to(ROOT)) for path in files}
        assert sources and sources <= names
    assert {"proxy/py.typed", "proxy/config/waypost.toml"} <= names
    shared = {name.partition("/share/waypost/")[2] for name in names}
    assert {"systemd/waypost.service", "prometheus/alerts.yml"} <= shared
    assert not any(name.startswith("tests/") for name in names)


@pytest.mark.parametrize("kind", ["", "-build", "-console"])
def test_image_and_package_pin_every_dependency_with_hashes_and_names_no_index(
    kind,
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = project["build-system"]["requires"]
    if kind != "-build":
        wanted = list(project["project"]["dependencies"])
    if kind == "-console":
        wanted += project["project"]["optional-dependencies"]["console"]
    pinned = (ROOT / f"docker/requirements{kind}.txt").read_text()
    for dependency in wanted:
        name = re.split(r"[^\w-]", dependency)[0]
        assert re.search(rf"^{name}==\S+ .*\\\n +--hash=sha256:", pinned, re.M), name
    assert "://" not in pinned and "index" not in pinned


def test_the_installed_command_knows_its_version(waypost: Path) -> None:
    assert run(str(waypost), "--version") == f"waypost {__version__}\n"


def test_the_installed_command_brings_a_commented_configuration(
    waypost: Path, tmp_path: Path
) -> None:
    text = run(str(waypost), "config", "default")
    assert text == (ROOT / "config/waypost.toml").read_text()
    path = tmp_path / "waypost.toml"
    path.write_text(text)
    check = (str(waypost), "--config", str(path), "config", "check")
    store = f"sqlite:///{tmp_path}/waypost.db"  # not /var/lib/waypost
    assert "is valid" in run(*check, WAYPOST_STORE_URL=store)


def test_the_installed_lab_plays_the_journey(waypost: Path) -> None:
    found = json.loads(run(str(waypost), "--json", "lab", "--once"))
    assert found["ok"] is True
    judge_document("lab", found)


def test_a_python_that_is_too_old_is_told_which_version_is_needed() -> None:
    """Before mypyc, or anything else of the build, looks at the sources."""
    older = "import sys, runpy; sys.version_info = (3, 10, 12, 'final', 0); "
    line = [sys.executable, "-c", f"{older}runpy.run_path('setup.py')"]
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert "needs Python 3.11 or newer, and this is 3.10" in done.stderr
    assert "Traceback" not in done.stderr and "mypy" not in done.stderr
