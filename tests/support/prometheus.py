"""A real Prometheus of our own: a child on loopback that scrapes what it is told."""

import contextlib
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_port

HOST = "127.0.0.90"
READY_IN = 30.0
CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: waypost
    static_configs:
      - targets: ["{target}"]
"""


class Prometheus:
    """Asks what it has scraped, and which alerts it raises."""

    def __init__(self, port: int) -> None:
        self._base = f"http://{HOST}:{port}"

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"{self._base}/-/ready").status == 200
        return False

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The values of now; raises ValueError for a query that is wrong."""
        words = urllib.parse.urlencode({"query": query})
        try:
            return self._get(f"query?{words}")["result"]
        except urllib.error.HTTPError as error:
            raise ValueError(f"{query}: {error.read().decode()}") from None

    def firing(self) -> dict[str, dict[str, str]]:
        """The alerts that are raised now, with their annotations."""
        found = self._get("alerts")["alerts"]
        firing = [x for x in found if x["state"] == "firing"]
        return {x["labels"]["alertname"]: x["annotations"] for x in firing}

    def _get(self, what: str) -> Any:
        with urllib.request.urlopen(f"{self._base}/api/v1/{what}", timeout=10) as it:
            return json.load(it)["data"]


@contextlib.contextmanager
def prometheus(directory: Path, target: str, rules: str = "") -> Iterator[Prometheus]:
    """One that scrapes ``target`` every second, ready to be asked."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed")
    directory.mkdir()
    (directory / "prometheus.yml").write_text(CONFIG.format(target=target))
    (directory / "rules.yml").write_text(rules)
    port = free_port(HOST)
    with (directory / "log").open("wb") as log:
        child = subprocess.Popen(
            [
                *("prometheus", f"--config.file={directory}/prometheus.yml"),
                f"--storage.tsdb.path={directory}/data",
                f"--web.listen-address={HOST}:{port}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    found = Prometheus(port)
    try:
        end = time.monotonic() + READY_IN
        while not found.is_ready():
            assert child.poll() is None, (directory / "log").read_text()
            assert time.monotonic() < end, (directory / "log").read_text()
            time.sleep(0.05)
        yield found
    finally:
        child.terminate()
        child.wait()
