"""The first failed call of a load as a ladder, from the flight recorder of the proxy.

The proxy is asked with its own command, `waypost trace CALL-ID`, where both are on this
machine; a proxy that is none of ours, or elsewhere, has only what sipp saw.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

PATIENCE = 3.0
"""Seconds until every worker has told what it saw."""
CHECKOUT = Path(__file__).resolve().parents[2]


def on_the_wire(scenario: str, call: str) -> list[str]:
    """What the Call-ID of a sipp call may be in messages, the last dialog first."""
    prefixes = re.findall(r"^Call-ID:\s*(\S*///)\[call_id\]", scenario, re.M | re.I)
    return [*(prefix + call for prefix in dict.fromkeys(prefixes[::-1])), call]


def recorded(target: str, calls: list[str], config: str = "") -> str:
    """The ladder of the first of these that the recorder has; "" when it has none."""
    waypost = _command()
    if waypost is None:
        return ""
    file = config or _lab_at(target)
    line = [waypost, *(("--config", file) if file else ()), "trace"]
    end = time.monotonic() + PATIENCE
    while True:
        for call in calls:
            done = _said([*line, call])
            if done is not None and done.returncode == 0:
                return done.stdout.rstrip()
            # Not "it has none of that", but nobody to ask: no use in asking again.
            if done is None or "nothing is kept" not in done.stderr:
                return ""
        if time.monotonic() > end:
            return ""
        time.sleep(0.3)


def _said(line: list[str]) -> "subprocess.CompletedProcess[str] | None":
    environment = {**os.environ, "NO_COLOR": "1"}
    environment.setdefault("COLUMNS", "80")
    try:
        return subprocess.run(
            line,
            capture_output=True,
            text=True,
            timeout=20,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _command() -> str | None:
    """`waypost` of this interpreter, of the checkout, or of the machine."""
    for path in (Path(sys.executable).parent, CHECKOUT / ".venv" / "bin"):
        if (path / "waypost").exists():
            return str(path / "waypost")
    return shutil.which("waypost")


def _lab_at(target: str) -> str:
    """The configuration of the lab (`make run`) that listens at the target, or ""."""
    for path in Path(tempfile.gettempdir()).glob("waypost-lab-*/waypost.toml"):
        try:
            listens = tomllib.loads(path.read_text("utf-8")).get("listen", [])
        except (OSError, ValueError):  # another user's, or it has just ended
            continue
        if any(each.get("address") == target for each in listens):
            return str(path)
    return ""
