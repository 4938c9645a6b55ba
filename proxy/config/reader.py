"""The configuration file as the service reads it: patiently, but not for ever.

On a file system that is gone a read may never return, and nothing can end it.  So a
thread reads the bytes, and the caller can stop waiting for it.  Checking them takes
about two milliseconds and happens where the configuration is needed.
"""

import asyncio
import signal
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import Final

from proxy.config.file import parse_config, read_bytes
from proxy.config.model import Config
from proxy.config.problems import ConfigError, Problem

PATIENCE: Final = 60.0
"""Seconds that reading may take."""


def read_now(path: Path) -> Config:
    """Read and check a file, and wait for it; raises ConfigError."""
    try:
        data = _bytes_of(path).result(PATIENCE)
    except TimeoutError:
        raise _too_slow(path) from None
    return parse_config(path, data)


async def read(path: Path) -> Config:
    """The same from an event loop that has other things to do; raises ConfigError."""
    try:
        async with asyncio.timeout(PATIENCE):
            data = await asyncio.wrap_future(_bytes_of(path))
    except TimeoutError:
        raise _too_slow(path) from None
    return parse_config(path, data)


def _bytes_of(path: Path) -> Future[bytes]:
    future: Future[bytes] = Future()
    # A future that is running cannot be cancelled: the thread may always set it.
    future.set_running_or_notify_cancel()

    def run() -> None:
        # Signals are for the main thread, which may be waiting for us.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            future.set_result(read_bytes(path))
        except BaseException as error:
            future.set_exception(error)

    # A daemon: the process can end while the thread is still reading.
    Thread(target=run, name="waypost-config", daemon=True).start()
    return future


def _too_slow(path: Path) -> ConfigError:
    text = f"was not read within {PATIENCE:.0f} s: is its file system there?"
    return ConfigError([Problem(str(path), None, "", text)])
