"""`waypost` as a child that need not import: its parent has imported everything.

A `waypost` takes half a second of CPU until it has imported what it needs, and the
suite starts more than a thousand.  So a process that does nothing but import (one for
``serve``, one for the other verbs) forks each of them.  What comes out is what exec
would have made: a child of ours with its own pid, the same command line, environment,
folder, streams, descriptors, signals and session.  Only its memory differs.

`install` puts this under `subprocess`, so neither tests nor `proxy/lab` know of it.
What it does not understand is executed as ever: another program, another user, or
variables that Python or the loader reads at its start.  A test about the process itself
(its start, its imports, its memory, its streams) is marked ``cold``: it gets exec.
WAYPOST_COLD=1 gives exec to all.
"""

import atexit
import contextlib
import ctypes
import fcntl
import gc
import importlib
import io
import json
import os
import platform
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]
SCRIPT = Path(sys.executable).with_name("waypost")
"""What `waypost` is here: exec would give it to this interpreter."""
AT_START = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "GLIBC_", "OPENSSL_", "ASAN_")
AT_START += ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "TERMINAL_WIDTH", "_TYPER")
"""Variables that are read once, by what is imported or before it."""
PADDING = "x" * 2000
"""Room for the command line of a child, as the kernel shows it."""
MOST = 1 << 17
"""Bytes of a line with its environment; more is executed."""
SERVICE = (
    "proxy.cli.serve",
    "proxy.config.file",
    "proxy.config.reader",
    "proxy.server.serve",
)
VERBS = (
    *(f"proxy.admin.{x}" for x in ("doctor.journeys", "doctor.listeners")),
    *("proxy.admin.listener.client",),
    *(f"rich.{x}" for x in ("console", "live", "table", "text")),
)
"""What a verb imports only when it needs it."""
_CLONE: Mapping[str, int] = {"x86_64": 56, "aarch64": 220}
_CLONE_PARENT = 0x8000
_PR_SET_NAME = 15
_PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.support import prepared
del sys.path[0]
prepared.serve(int(sys.argv[2]), sys.argv[3])
"""
_execute: Any = getattr(subprocess, "_fork_exec", None)
_images: dict[str, "_Image"] = {}
_making = threading.Lock()
_cold = False


def install() -> None:
    """From now on `subprocess` and `asyncio` take prepared processes where they can."""
    if os.environ.get("WAYPOST_COLD") or _execute is None:
        return
    if platform.machine() not in _CLONE or not SCRIPT.exists():
        return
    subprocess._fork_exec = _start  # type: ignore[attr-defined]
    # From Python 3.13 on most children would be made by posix_spawn.
    subprocess._USE_POSIX_SPAWN = False  # type: ignore[attr-defined]


def be_cold(is_so: bool) -> None:
    """Whether each `waypost` that starts from now on is executed."""
    global _cold
    _cold = is_so


def _start(*arguments: Any) -> int:
    """In place of `_posixsubprocess.fork_exec`: the pid of a new child."""
    line = None if _cold else _understood(arguments)
    if line is None:
        pid: int = _execute(*arguments)
        return pid
    streams = [
        here if given == -1 else given
        for here, given in enumerate((arguments[6], arguments[9], arguments[11]))
    ]
    kind = "service" if "serve" in line["words"] else "verbs"
    return _image(kind).start(line, [*streams, *line["handed"]])


def _understood(arguments: Sequence[Any]) -> dict[str, Any] | None:
    """What a prepared process has to know of a start; None for one to execute.

    The arguments are those of CPython's ``fork_exec``, whose first 22 have stayed the
    same from 3.11 on.
    """
    words = [os.fsdecode(each) for each in arguments[0]]
    *_, session, group, gid, gids, uid, umask, before = arguments[:22]
    closes, handed, folder, given = arguments[2:6]
    is_plain = closes and (group, gid, gids, uid, umask) == (-1, None, None, None, -1)
    if words[0] != str(SCRIPT) or not is_plain or before is not None:
        return None
    if "--event-log" in words:  # it executes itself anew
        return None
    variables = os.environb if given is None else dict(x.split(b"=", 1) for x in given)
    env = {os.fsdecode(x): os.fsdecode(y) for x, y in variables.items()}
    folder = os.path.abspath(os.fsdecode(folder or "."))
    if at_start(env) != at_start(os.environ) or not os.path.isdir(folder):
        return None
    line = {
        "words": words,
        "env": env,
        "folder": folder,
        "session": bool(session),
        # The last one is where exec would tell that it failed.
        "handed": [each for each in handed if each != arguments[13]],
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
    }
    return line if len(json.dumps(line)) < MOST else None


def at_start(env: Mapping[str, str]) -> dict[str, str]:
    """Those of an environment that a process reads before its first line."""
    return {name: env[name] for name in env if name.startswith(AT_START)}


class _Image:
    """A process that has imported what a kind needs; it ends when we do."""

    def __init__(self, kind: str) -> None:
        self.owner, self.env = os.getpid(), at_start(os.environ)
        self._using = threading.Lock()
        self._there, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            number = theirs.fileno()
            self._child = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(ROOT), str(number), kind, PADDING],
                pass_fds=[number],
                stdin=subprocess.DEVNULL,
            )
        atexit.register(self._end)

    def _end(self) -> None:
        if os.getpid() == self.owner:
            self._there.close()
            self._child.wait()

    def start(self, line: dict[str, Any], descriptors: list[int]) -> int:
        """The pid of a child that is ours."""
        data = json.dumps(line).encode()
        with self._using:
            socket.send_fds(self._there, [data], descriptors)
            answer = self._there.recv(100)
        if not answer:
            raise OSError("the prepared process is gone")
        return int(answer)


def _image(kind: str) -> _Image:
    with _making:
        found = _images.get(kind)
        now = os.getpid(), at_start(os.environ)
        if found is None or (found.owner, found.env) != now:
            found = _images[kind] = _Image(kind)
        return found


# -- in the prepared process -----------------------------------------------------------


def serve(number: int, kind: str) -> NoReturn:
    """Import, then fork a child for each line that is sent."""
    {"service": _import_service, "verbs": _import_verbs}[kind]()
    gc.collect()
    gc.freeze()
    # Ctrl-C is for those who wait for us: they end, and so do we. A child takes it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    here = socket.socket(fileno=number)
    while True:
        data, descriptors, _, _ = socket.recv_fds(here, MOST, 250)
        if not data:
            os._exit(0)
        pid = _fork_for_our_parent()
        if pid == 0:
            os._exit(_become(json.loads(data), descriptors))
        here.send(str(pid).encode())
        for each in descriptors:
            os.close(each)


def _import_service() -> None:
    # As in proxy/cli/serve.py: structlog does without Rich.
    sys.modules["rich"] = None  # type: ignore[assignment]
    for name in SERVICE:
        importlib.import_module(name)
    del sys.modules["rich"]


def _import_verbs() -> None:
    from proxy.cli.main import main

    for name in VERBS:
        importlib.import_module(name)
    os.environ["WAYPOST_CONFIG"] = os.devnull
    for line in (["pool", "set", "--help"], ["endpoint", "get", "x@contoso.test"]):
        nothing = io.StringIO()
        with (
            contextlib.redirect_stdout(nothing),
            contextlib.redirect_stderr(nothing),
        ):
            main(line)  # what is imported and made by a first line is there, too


def _fork_for_our_parent() -> int:
    """fork(2) whose child is a sibling of this process: who asked can wait for it."""
    python, number = ctypes.pythonapi, _CLONE[platform.machine()]
    flags = _CLONE_PARENT | signal.SIGCHLD
    python.PyOS_BeforeFork()
    pid: int = ctypes.PyDLL(None).syscall(number, ctypes.c_long(flags), 0, 0, 0, 0)
    if pid == 0:
        python.PyOS_AfterFork_Child()
    else:
        python.PyOS_AfterFork_Parent()
    return pid


def _become(line: dict[str, Any], descriptors: list[int]) -> int:
    """The command, as if it had been executed here; its exit code."""
    if line["session"]:
        os.setsid()
    os.nice(line["nice"] - os.getpriority(os.PRIO_PROCESS, 0))
    _place(descriptors, [0, 1, 2, *line["handed"]])
    os.chdir(line["folder"])
    os.environ.clear()
    os.environ.update(line["env"])
    time.tzset()
    random.seed()
    sys.argv = list(line["words"])
    sys.orig_argv = [sys.executable, *sys.argv]
    sys.path[0] = str(SCRIPT.parent)
    _show(sys.orig_argv)
    _open_streams()
    sys.modules.pop("proxy.cli.main", None)  # its first lines look at the words
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    return _run()


def _place(descriptors: Sequence[int], numbers: Sequence[int]) -> None:
    """Give descriptors their numbers, and close all others."""
    above = max(numbers) + 1
    high = [fcntl.fcntl(each, fcntl.F_DUPFD, above) for each in descriptors]
    for each, number in zip(high, numbers, strict=True):
        os.dup2(each, number)
    opened = {int(each) for each in os.listdir("/proc/self/fd")}
    for each in opened - set(numbers):
        with contextlib.suppress(OSError):
            os.close(each)


def _show(words: Sequence[str]) -> None:
    """Have the kernel show this command line and name, in place of our own."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    data = b"".join(os.fsencode(each) + b"\0" for each in words)
    room = end - start
    ctypes.memmove(start, data[: room - 1].ljust(room, b"\0"), room)
    ctypes.CDLL(None).prctl(_PR_SET_NAME, b"waypost", 0, 0, 0)


def _open_streams() -> None:
    """Streams as Python opens them, which came from the same variables."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        before = getattr(sys, name)
        stream = open(  # noqa: SIM115 - as long as the process
            number,
            "w" if number else "r",
            1 if name == "stderr" else -1,
            before.encoding,
            before.errors,
            closefd=False,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _run() -> int:
    """What the script does, and what Python does when it ends."""
    code: Any = 0
    try:
        from proxy.cli.main import run

        run()
    except SystemExit as end:
        code = end.code
        if code is not None and not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    except BaseException as error:
        traceback.print_exc()
        code = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = 120
    if code == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return (code or 0) & 0xFF
