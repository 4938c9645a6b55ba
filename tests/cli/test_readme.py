"""What the README says can be typed in a fresh clone, and works."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.until import until

ROOT = Path(__file__).parents[2]
ALONE = ("unshare", "--net", "--fork", "--kill-child", "sh", "-c")


def block(heading):
    """The first shell block under a heading of the README."""
    under = (ROOT / "README.md").read_text().partition(f"\n## {heading}\n")[2]
    return re.search(r"^```sh\n(.*?)^```$", under, re.M | re.S)[1]


def is_there(group):
    """Whether anybody of a process group still runs."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def in_a_network_of_its_own(script):
    """The script's ports are those of the page; root can keep them from others."""
    if os.geteuid() != 0 or subprocess.run([*ALONE, "true"]).returncode:
        return ["bash", "-e", str(script)]
    return [*ALONE, 'ip link set lo up && exec bash -e "$0"', str(script)]


# `make run` in another terminal: it stays up.
LAB = """\
.venv/bin/waypost lab > "$HOME/lab" 2>&1 &
until grep -q "Ctrl-C ends it" "$HOME/lab"; do sleep 0.1; done
"""


def test_the_first_endpoint_can_be_typed_after_make_run(tmp_path):
    # A clone in which `make run` has been: its environment, and no other file.
    here = tmp_path / "clone"
    here.mkdir()
    (here / ".venv").symlink_to(sys.prefix)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WAYPOST_")}
    environment |= {"HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    script, log = tmp_path / "typed", tmp_path / "log"
    script.write_text(LAB + block("Your first endpoint"))
    with log.open("wb") as output:
        child = subprocess.Popen(
            in_a_network_of_its_own(script),
            cwd=here,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        limit = time.monotonic() + 60
        while "service.started" not in log.read_text():
            assert child.poll() is None, log.read_text()
            assert time.monotonic() < limit, log.read_text()
            time.sleep(0.1)
    finally:
        os.killpg(child.pid, signal.SIGINT)
        child.wait(30)
        until(lambda: not is_there(child.pid), 30)
    said = log.read_text()
    assert "created sip:ocschat@contoso.com -> pcpool.contoso.com" in said
    assert (tmp_path / "waypost/waypost.db").is_file()
