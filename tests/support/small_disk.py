"""A small file system of its own, really mounted, that a test can fill.

Only root may mount; who is not cannot run these tests.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
FILL = "fill"


@contextlib.contextmanager
def small_disk(directory: Path, kilobytes: int = 1200) -> Iterator[Path]:
    """A tmpfs at ``directory``, which is made."""
    directory.mkdir(exist_ok=True)
    size = f"size={kilobytes}k"
    line = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(directory)]
    subprocess.run(line, check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def fill(directory: Path) -> None:
    """Leave not one byte."""
    with (directory / FILL).open("wb", buffering=0) as file:
        for size in (64 * 1024, 512):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)


def make_room(directory: Path) -> None:
    """Undo ``fill``."""
    (directory / FILL).unlink()
