"""The configuration file, read by a process of its own: how the service reads it.

Checking a file loads pydantic, 12 MB that would stay in the service for ever.  A
process that ends takes them with it; what it hands over is the checked configuration,
or everything that is wrong, as JSON on its standard output (``packed.py``).
"""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from proxy import __version__
from proxy.config.model import Config
from proxy.config.packed import unpack
from proxy.config.problems import ConfigError, Problem

PATIENCE: Final = 60.0
"""Seconds that a file may take; on a file system that is gone reading never ends."""


class Reading:
    """A file that is being read while we do something else; to be used with ``with``.

    Raises ConfigError when the process cannot be started.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        # SIGTERM, which ends a start by an exception, waits until we know the child.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            try:
                self._child = subprocess.Popen(_line(self._path), **_OPTIONS)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        except OSError as error:
            raise _not_started(self._path, error) from None
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        """Leave nobody behind."""
        if self._child is not None:
            with self._child:  # its end is waited for, its pipes closed
                self._child.kill()

    def result(self) -> Config:
        """Wait for the end; raises ConfigError."""
        assert self._child is not None, "inside ``with``"
        try:
            said, complaint = self._child.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise _too_slow(self._path) from None
        return _outcome(self._path, self._child.returncode, said, complaint)


async def read(path: Path) -> Config:
    """The same from an event loop that has other things to do; raises ConfigError."""
    try:
        child = await asyncio.create_subprocess_exec(*_line(path), **_OPTIONS)
    except OSError as error:
        raise _not_started(path, error) from None
    try:
        async with asyncio.timeout(PATIENCE):
            said, complaint = await child.communicate()
    except TimeoutError:
        raise _too_slow(path) from None
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    return _outcome(path, child.returncode, said, complaint)


# Not -m, which takes a start of 0.2 s 6 ms more.
_PROGRAM: Final = "from proxy.config.packed import main; main()"
_OPTIONS: Final[dict[str, Any]] = {
    "stdin": subprocess.DEVNULL,
    "stdout": subprocess.PIPE,
    "stderr": subprocess.PIPE,
    # Ctrl-C is for us; we end it ourselves.  Sockets of ours or of the service
    # manager are closed there: ``close_fds`` is the default.
    "start_new_session": True,
}


def _line(path: Path) -> list[str]:
    # -P: a service has no reason to import from where it happens to stand.
    return [sys.executable, "-P", "-c", _PROGRAM, str(path)]


def _outcome(path: Path, code: int | None, said: bytes, complaint: bytes) -> Config:
    try:
        answer = json.loads(said)
    except ValueError:
        last = complaint.decode("utf-8", "replace").strip().rpartition("\n")[2]
        how = f"killed by signal {-code}" if code and code < 0 else f"exit code {code}"
        because = f"{how}: {last}" if last else how
        text = f"could not be read, the process that reads it failed ({because})"
        raise ConfigError([Problem(str(path), None, "", text)]) from None
    if answer.get("version") == __version__:
        with contextlib.suppress(KeyError, TypeError, ValueError):
            if "problems" not in answer:
                return unpack(answer["config"])
            raise ConfigError([Problem(**each) for each in answer["problems"]])
    text = (
        f"was read by another Waypost than the {__version__} that runs, which was "
        "replaced on the disk: restart the service"
    )
    raise ConfigError([Problem(str(path), None, "", text)])


def _not_started(path: Path, error: OSError) -> ConfigError:
    text = f"cannot be read, a process for that could not be started ({error})"
    return ConfigError([Problem(str(path), None, "", text)])


def _too_slow(path: Path) -> ConfigError:
    text = f"was not read within {PATIENCE:.0f} s: is its file system there?"
    return ConfigError([Problem(str(path), None, "", text)])
