"""Fuzzes the C function that cuts messages, led by what of it an input reaches.

libFuzzer (``clang``) makes the inputs; the address and undefined-behaviour checks of
the compiler and the definition in Python judge each (``cut_fuzzer.c``).  It runs in
``python -m tests.fuzz`` as the target ``scanner``, where there is a clang with
libFuzzer (Debian: ``clang libclang-rt-dev``, which ``make soak`` installs).
"""

import os
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from tests.fuzz.test_targets import CORPUS

HERE = Path(__file__).parents[2]
HARNESS = Path(__file__).with_name("cut_fuzzer.c")
SOURCES = HERE / "proxy" / "sip"
LONGEST = 4096


def is_possible() -> bool:
    """Whether there is a compiler with libFuzzer, and what it needs of Python."""
    clang = shutil.which("clang")
    if clang is None or not (SOURCES / "scanner.c").exists():
        return False
    asks = [clang, "-print-file-name=libclang_rt.fuzzer-x86_64.a"]
    found = subprocess.run(asks, capture_output=True, text=True).stdout.strip()
    folder = subprocess.run(
        [clang, "-print-resource-dir"], capture_output=True, text=True
    ).stdout.strip()
    has_fuzzer = Path(found).is_absolute() or any(
        Path(folder).glob("lib/**/libclang_rt.fuzzer*.a")
    )
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    return has_fuzzer and header.exists()


def build(folder: Path, sources: Path = SOURCES) -> Path:
    """The fuzzer of the ``scanner.c`` in ``sources``."""
    made = folder / "cut_fuzzer"
    version = sysconfig.get_config_var("LDVERSION")
    where = [sysconfig.get_config_var(name) for name in ("LIBDIR", "LIBPL")]
    line = ["clang", "-O1", "-g", "-fsanitize=fuzzer,address,undefined"]
    line += ["-fno-sanitize-recover=all", f"-I{sysconfig.get_paths()['include']}"]
    line += [f"-I{sources}", str(HARNESS), "-o", str(made)]
    line += [x for each in where for x in (f"-L{each}", f"-Wl,-rpath,{each}")]
    subprocess.run([*line, f"-lpython{version}"], check=True)
    return made


def write_seeds(folder: Path) -> None:
    """The corpus of messages, and heads of as many lines as there is room for."""
    folder.mkdir()
    seeds = [path.read_bytes() for path in (CORPUS / "message").iterdir()]
    made = [(136).to_bytes(2, "little") + each for each in seeds]
    for lines in (1, 7, 8, 511, 512, 513):
        head = b"a:\r\n" * lines + b"\r\nbody"
        made += [(lines + 8 + by).to_bytes(2, "little") + head for by in (-1, 0, 1)]
    for first, second in ((0, 0), (3, 0), (0, 100)):
        lengths = b"Content-Length: %d\r\nContent-Length: %d\r\n" % (first, second)
        made.append(b"\0\xff" + b"A b\r\n" + lengths + b"\r\n")
    # To come upon one of 32 bytes in one place took a busy machine minutes.  Seven
    # bytes: eight would be looked at together.
    made += [
        (136).to_bytes(2, "little") + b"a:%c\r\n\r\n" % byte for byte in range(0x20)
    ]
    for number, data in enumerate(made):
        (folder / f"{number:03d}").write_bytes(data[:LONGEST])


def fuzz(made: Path, seconds: float, seed: int, found: Path) -> tuple[bool, str]:
    """Run a built fuzzer; whether the two were equal, and what it printed last.

    An input that breaks it is kept in ``found``.
    """
    corpus, seeds = made.with_name("corpus"), made.with_name("seeds")
    corpus.mkdir(exist_ok=True)
    if not seeds.exists():
        write_seeds(seeds)
    line = [str(made), str(corpus), str(seeds), f"-max_len={LONGEST}"]
    line += [f"-max_total_time={max(1, round(seconds))}", f"-seed={seed % 2**32 or 1}"]
    line += [f"-artifact_prefix={found}/scanner-", "-timeout=5"]
    # Python's own allocator would hide a byte that is read behind a message.
    more = {"PYTHONPATH": str(HERE), "PYTHONMALLOC": "malloc", "PYTHONSAFEPATH": "1"}
    more["ASAN_OPTIONS"] = "detect_leaks=0"
    done = subprocess.run(
        line,
        env={**os.environ, **more},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    told = done.stdout.splitlines()
    if done.returncode:
        return False, "\n".join(told[-40:])
    return True, next((x for x in told if x.startswith("Done ")), "")


def run(seconds: float, seed: int, found: Path) -> bool:
    """Build it and fuzz; True when the two are equal, or it cannot be had here."""
    if not is_possible():
        print("scanner: not fuzzed: it needs clang with libFuzzer and the sources")
        return True
    with tempfile.TemporaryDirectory() as folder:
        is_equal, told = fuzz(build(Path(folder)), seconds, seed, found)
    print(f"scanner: {told}", flush=True)
    return is_equal
