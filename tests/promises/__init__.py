"""`make promises`: what docs/reliability.md promises, R1 to R14, tried for real.

    python -m tests.promises [R2 R9 ...] [--long] [--json] [--page FILE]

Each check starts the real service (the command beside this interpreter), does the
harm that the promise is about, and says a figure.  Short checks take some minutes in
all; ``--long`` (`LONG=1 make promises`) tries each as it is written.
"""
