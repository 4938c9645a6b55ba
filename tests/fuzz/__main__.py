"""Fuzz for as long as told: ``python -m tests.fuzz [--seconds 600] [TARGET ...]``.

Half the time is led by what of the code an input reaches, where atheris is installed
(``pip install atheris``) and the build is not the compiled one, which it cannot look
into; the rest is the engine of the tests with a seed of its own.  The target
``scanner`` is the C function, led by libFuzzer (``native.py``).  Status 1 when a target
breaks: the input is printed, and kept in ``.cache/fuzz``.
"""

import argparse
import importlib.util
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import proxy.sip.message
from tests.fuzz import native
from tests.fuzz.engine import Broken, Engine
from tests.fuzz.targets import TARGETS
from tests.fuzz.test_targets import CORPUS, inputs

FOUND = Path(".cache/fuzz")
SCANNER = "scanner"


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=float, default=600.0, help="all together")
    parser.add_argument("--seed", type=int, default=random.randrange(10**9))
    options = parser.parse_args()
    names = options.targets or [*TARGETS, SCANNER]
    is_compiled = not str(proxy.sip.message.__file__).endswith(".py")
    is_led = importlib.util.find_spec("atheris") is not None and not is_compiled
    share = options.seconds / len(names) / (2 if is_led else 1)
    build = "compiled build" if is_compiled else "plain Python"
    print(
        f"fuzzing, {build}, atheris: {'yes' if is_led else 'no'}, seed {options.seed}"
    )
    FOUND.mkdir(parents=True, exist_ok=True)
    holds = [
        native.run(options.seconds / len(names), options.seed, FOUND)
        if name == SCANNER
        else blind(name, share, options.seed)
        and (not is_led or led(name, share, options.seed))
        for name in names
    ]
    return 0 if all(holds) else 1


def blind(name: str, seconds: float, seed: int) -> bool:
    """By chance alone; True when the target holds."""
    engine = Engine(name, TARGETS[name], inputs(name), seed)
    try:
        engine.run(seconds)
    except Broken as broken:
        (FOUND / name).write_bytes(broken.data)
        print(broken)
        return False
    print(f"{name}: holds for {engine.tried:,} inputs", flush=True)
    return True


def led(name: str, seconds: float, seed: int) -> bool:
    """By atheris, which ends its process; True when the target holds."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.fuzz.led", name, folder]
        command += [str(CORPUS / name), f"-max_total_time={max(1, round(seconds))}"]
        command += [f"-seed={seed}", f"-artifact_prefix={FOUND}/{name}-"]
        done = subprocess.run(
            command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    told = done.stdout.splitlines()
    if done.returncode:
        print("\n".join(told[-40:]))
        return False
    print(f"{name}: {next((x for x in told if x.startswith('Done ')), told[-1:])}")
    return True


if __name__ == "__main__":
    sys.exit(main())
