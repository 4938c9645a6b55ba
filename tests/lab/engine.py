"""A container engine of our own for the lab's test: packages, daemon, base image.

No image can be pulled where CI runs, so the base is made with debootstrap.  Engine,
images and volumes live in one directory and are gone with it.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("docker.io", "docker-compose", "debootstrap", "iptables")
BASE = "waypost-test-base"
# Kept between runs: making it takes most of a minute.
CACHED_BASE = ROOT / ".cache" / "lab-base.tar"
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
INTERFACES = Path("/sys/class/net")
BRIDGE = INTERFACES / "docker0"
# The lab's network in docker/compose.yml, as its bridge has it.
GATEWAY = "172.30.60.1"
CONTEXT = (
    *("LICENSE", "README.md", "pyproject.toml", "setup.py"),
    *("config", "docker", "packaging", "proxy"),
)


class NoEngineError(Exception):
    """This machine cannot run a container engine; the text says why."""


@dataclass(slots=True)
class Engine:
    """A running daemon; ``environment`` points Docker's tools to it."""

    directory: Path
    environment: dict[str, str]

    def run(self, *line: str, check: bool = True, timeout: float = 300) -> str:
        """Run a command against this engine; its output, errors included."""
        done = subprocess.run(
            line,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(line)}: {done.returncode}\n{done.stdout}")
        return done.stdout

    def make(self, target: str, *words: str, timeout: float = 300) -> str:
        """``make TARGET`` as a person would, with images that exist already."""
        tools = ("LAB_BUILD=no", "COMPOSE=docker-compose")
        return self.run("make", "-s", target, *tools, *words, timeout=timeout)

    def build_images(self) -> None:
        """The base with debootstrap, then the images of the lab on it."""
        base = base_tarball(self.directory)
        self.run("docker", "import", str(base), BASE)
        context = self.directory / "context"
        copy_context(context)
        build = ("docker", "build", "--quiet", "--network=host")
        ours, base_image = "docker/Dockerfile", f"BASE_IMAGE={BASE}"
        for name, file, *arguments in (
            # How fast its calls are is not what the lab looks at, and the profile
            # that the images have takes ten minutes.
            ("waypost", ours, base_image, "PROFILE=0"),
            ("waypost-lab", "docker/lab/Dockerfile", "WAYPOST_IMAGE=waypost"),
            ("waypost-console", ours, base_image, "CONSOLE=1", "COMPILE=0"),
        ):
            words = [word for each in arguments for word in ("--build-arg", each)]
            line = (*build, "-f", str(context / file), *words)
            self.run(*line, "-t", name, str(context), timeout=800)


def copy_context(context: Path) -> None:
    """What the builds need, and the authorities that this machine trusts."""
    unwanted = shutil.ignore_patterns("__pycache__", "*.pyc", "*.so")
    for name in CONTEXT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, context / name, ignore=unwanted)
        else:
            context.mkdir(exist_ok=True)
            shutil.copy(source, context / name)
    shutil.copytree(ROOT / "tests/sipp", context / "tests/sipp", ignore=unwanted)
    if BUNDLE.exists():
        shutil.copy(BUNDLE, context / "docker/ca/host.crt")


def base_tarball(directory: Path) -> Path:
    """A minimal Debian with Python, as a tar file."""
    if CACHED_BASE.exists():
        return CACHED_BASE
    tree = directory / "base"
    packages = "--include=python3,python3-venv,ca-certificates"
    line = ["debootstrap", "--variant=minbase", packages, "bookworm", str(tree)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=700)
    if done.returncode:
        raise AssertionError(f"debootstrap: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    shutil.rmtree(tree / "var/cache/apt/archives", ignore_errors=True)
    CACHED_BASE.parent.mkdir(exist_ok=True)
    half = CACHED_BASE.with_suffix(".part")
    subprocess.run(["tar", "-C", str(tree), "-cf", str(half), "."], check=True)
    half.rename(CACHED_BASE)
    return CACHED_BASE


@contextmanager
def running_engine(directory: Path) -> Iterator[Engine]:
    """Install what is missing, start a daemon, stop it.  Raises NoEngineError."""
    if os.geteuid() != 0:
        raise NoEngineError("an engine needs root")
    installed = subprocess.run(
        ["bash", str(ROOT / ".ci/packages"), *PACKAGES], capture_output=True, text=True
    )
    if installed.returncode:
        raise NoEngineError(installed.stderr.strip() or "packages are missing")
    socket = f"unix://{directory}/engine.sock"
    environment = {
        **os.environ,
        # Debian's own client first: it fits the daemon.
        "PATH": f"/usr/bin:/usr/sbin:{os.environ['PATH']}",
        "DOCKER_HOST": socket,
        "DOCKER_CONFIG": str(directory / "config"),
        "DOCKER_BUILDKIT": "0",
    }
    _make_room()
    rules = _saved_rules()
    had_bridge = BRIDGE.exists()
    log = directory / "engine.log"
    with log.open("wb") as output:
        daemon = subprocess.Popen(
            [
                "dockerd",
                *("--host", socket, "--pidfile", str(directory / "engine.pid")),
                *("--data-root", str(directory / "data")),
                *("--exec-root", str(directory / "exec")),
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    engine = Engine(directory, environment)
    try:
        _await(daemon, engine, log)
        yield engine
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)
        _tidy_up(directory, rules, had_bridge)


def _make_room() -> None:
    """Take away what a lab that was killed has left: it shares our subnet.

    Its rules would rewrite the addresses of our packets.  Raises NoEngineError when
    the network is in use.
    """
    listed = subprocess.run(["ip", "-j", "address"], capture_output=True, text=True)
    for interface in json.loads(listed.stdout or "[]"):
        name = interface["ifname"]
        if not any(x.get("local") == GATEWAY for x in interface["addr_info"]):
            continue
        if any((INTERFACES / name / "brif").glob("*")):
            raise NoEngineError(f"a lab is running on {name}: make lab-down")
        rules = without_bridge(_saved_rules(), name)
        subprocess.run(["iptables-restore"], input=rules, text=True, check=False)
        subprocess.run(["ip", "link", "delete", name], check=False)


def without_bridge(rules: str, name: str) -> str:
    """Saved rules without those that name a bridge."""
    named = re.compile(rf"\b{re.escape(name)}\b")
    kept = [line for line in rules.splitlines() if not named.search(line)]
    return "\n".join(kept) + "\n"


def _tidy_up(directory: Path, before: str, had_bridge: bool) -> None:
    """Take the daemon's own traces out of the machine's network, and nothing else."""
    subprocess.run(["umount", str(directory / "exec/netns/default")], check=False)
    now = _saved_rules()
    subprocess.run(
        ["iptables-restore"], input=without_docker(now, before), text=True, check=False
    )
    if not had_bridge:
        subprocess.run(["ip", "link", "delete", BRIDGE.name], check=False)


def _saved_rules() -> str:
    return subprocess.run(["iptables-save"], capture_output=True, text=True).stdout


def without_docker(rules: str, before: str) -> str:
    """Saved rules without Docker's, and with the FORWARD policy that was there before.

    Rules that somebody else has added meanwhile stay.
    """
    traces = re.compile(r"DOCKER|docker0|\bbr-[0-9a-f]{12}\b")
    forward = re.search(r"^:FORWARD (ACCEPT|DROP)", before, re.M)
    policy = forward[1] if forward else "ACCEPT"
    kept = [line for line in rules.splitlines() if not traces.search(line)]
    return (
        re.sub(r"^:FORWARD DROP", f":FORWARD {policy}", "\n".join(kept), flags=re.M)
        + "\n"
    )


def _await(daemon: "subprocess.Popen[bytes]", engine: Engine, log: Path) -> None:
    for _ in range(120):
        if daemon.poll() is not None:
            break
        if "Server Version" in engine.run("docker", "info", check=False):
            return
        time.sleep(0.25)
    last = log.read_text("utf-8", "replace").strip().splitlines()[-1:]
    raise NoEngineError(f"dockerd does not start: {' '.join(last)}")
