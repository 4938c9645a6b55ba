"""Verbs typed by tests: `waypost` with a line, its end awaited, what it said.

Each is a process of its own, and cheap: see `prepared`.
"""

import asyncio
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from proxy.lab.service import ServiceError, command

PATIENCE = 120.0
Ended = subprocess.CompletedProcess[str]


async def waypost(config: Path, *words: str) -> Any:
    """As in `proxy.lab.service`: one verb with ``--json``; raises ServiceError."""
    done = await run("--config", str(config), "--json", *words)
    if done.returncode != 0:
        text = (done.stderr or done.stdout).strip()
        raise ServiceError(f"waypost {' '.join(words)}: {text}")
    return json.loads(done.stdout) if done.stdout.strip() else None


async def run(*words: str, **more: Any) -> Ended:
    """``run_now``, beside other tasks."""
    return await asyncio.to_thread(run_now, *words, **more)


def run_now(
    *words: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    given: bytes = b"",
    together: bool = False,
) -> Ended:
    """Type one line and wait for its end.

    ``given`` is its standard input; ``together`` puts what it says on standard error
    between its output, where a terminal shows it.
    """
    done = subprocess.run(
        command(*words),
        env=env,
        cwd=cwd,
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if together else subprocess.PIPE,
        timeout=PATIENCE,
    )
    return Ended(words, done.returncode, _text(done.stdout), _text(done.stderr))


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace")
