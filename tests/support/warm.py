"""The command in a child of a process that has imported it: for what tests only use.

A `waypost` of its own takes half a second of CPU to import what it needs, and the suite
types hundreds of lines.  Each line still runs in a process of its own, forked from one
that has done nothing but import.  Tests about the process itself (its start, its
signals, its streams) start `proxy.lab.service.command`.
"""

import asyncio
import contextlib
import gc
import importlib
import io
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from proxy.lab.service import ServiceError, command

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0
_PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.support.warm import _serve
_serve(int(sys.argv[2]))
"""
_ours: socket.socket | None = None
_starting = threading.Lock()
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
    env = dict(os.environ if env is None else env)
    with tempfile.TemporaryFile() as typed, tempfile.TemporaryFile() as out:
        typed.write(given)
        typed.seek(0)
        with tempfile.TemporaryFile() as err:
            said = out if together else err
            streams = [typed.fileno(), out.fileno(), said.fileno()]
            if "LD_PRELOAD" in env:  # it counts for who is started with it
                line = command(*words)
                code = subprocess.call(
                    line, env=env, cwd=cwd, stdin=typed, stdout=out, stderr=said
                )
            else:
                code = _ask(
                    {"words": words, "env": env, "cwd": str(cwd or ".")}, streams
                )
            return Ended(words, code, _text(out), _text(err))


def _text(file: Any) -> str:
    file.seek(0)
    found: str = file.read().decode("utf-8", "replace")
    return found


def _ask(line: dict[str, Any], streams: list[int]) -> int:
    """Have a line run; its exit code.

    Each has a socket of its own, handed over on the one that both of us have.
    """
    line["cwd"] = os.path.abspath(line["cwd"])
    mine, theirs = socket.socketpair()
    with mine, theirs:
        socket.send_fds(_there(), [b"x"], [theirs.fileno(), *streams])
        theirs.close()
        mine.settimeout(PATIENCE)
        mine.sendall(json.dumps(line).encode())
        mine.shutdown(socket.SHUT_WR)
        answer = mine.recv(100)
    assert answer, "the command vanished"
    return int(answer)


def _there() -> socket.socket:
    """The process that has imported everything; it ends when we do."""
    global _ours
    with _starting:
        if _ours is not None:
            return _ours
        _ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(ROOT), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
    return _ours


# -- on the other side -----------------------------------------------------------------


def _serve(number: int) -> None:
    from proxy.cli.main import main

    for name in ("doctor.journeys", "doctor.listeners", "listener.client"):
        importlib.import_module(f"proxy.admin.{name}")
    for name in ("console", "live", "table", "text"):
        importlib.import_module(f"rich.{name}")
    os.environ["WAYPOST_CONFIG"] = os.devnull
    for line in (["pool", "set", "--help"], ["endpoint", "get", "x@contoso.test"]):
        nothing = io.StringIO()
        with (
            contextlib.redirect_stdout(nothing),
            contextlib.redirect_stderr(nothing),
        ):
            main(line)  # what is imported and made by a first line is there, too
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    here = socket.socket(fileno=number)
    while True:
        select.select([here], [], [])
        data, found, _, _ = socket.recv_fds(here, 1, 4)
        if not data:
            os._exit(0)  # who asks has ended
        if os.fork() == 0:
            here.close()
            _see_to(socket.socket(fileno=found[0]), found[1:])
        for each in found:
            os.close(each)


def _see_to(asker: socket.socket, streams: list[int]) -> None:
    """In a child: run the line in another one, and tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    data = b""
    while chunk := asker.recv(1 << 16):
        data += chunk
    child = os.fork()
    if child == 0:
        asker.close()
        _become(json.loads(data), streams)
    _, status = os.waitpid(child, 0)
    asker.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(line: dict[str, Any], streams: list[int]) -> None:
    """The command, as if it had been started here."""
    from proxy.cli.main import run

    code = 70
    try:
        for place, stream in enumerate(streams):
            os.dup2(stream, place)
            os.close(stream)
        os.chdir(line["cwd"])
        os.environ.clear()
        os.environ.update(line["env"])
        random.seed()
        # What was there before us stays, and so do its descriptors.
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
        sys.argv = ["waypost", *line["words"]]
        run()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        for each in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                each.flush()
        os._exit(code)
