"""One target under atheris: ``python -m tests.fuzz.led TARGET FOLDER... -OPTIONS``.

The options are libFuzzer's, as are the exit code and what is printed.
"""

import sys


def main() -> None:
    """Never returns."""
    import atheris

    with atheris.instrument_imports(include=["proxy"]):
        from tests.fuzz.targets import TARGETS

    target = TARGETS[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
