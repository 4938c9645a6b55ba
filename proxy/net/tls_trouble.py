"""Why TLS files cannot be used: the one sentence that names the file and the cause.

OpenSSL's own words name a line of its source.  Looked at only after it has refused the
files, so nothing here decides about anything.
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

BEGIN: Final = "-----BEGIN CERTIFICATE-----"
END: Final = "-----END CERTIFICATE-----"
_PRIVATE: Final = "PRIVATE KEY-----"
_MOST: Final = 1_000_000


def explain(
    certificate: str | None, key: str | None, ca: str | None, error: OSError
) -> str:
    """What is wrong with these files, and what to do."""
    named = ((certificate, "certificate"), (key, "key"), (ca, "authority"))
    unread = {path: _unreadable(path) for path, _ in named if path is not None}
    absent = [path for path, problem in unread.items() if problem]
    if absent:
        return (
            f"{' and '.join(absent)} cannot be read ({unread[absent[0]]}): check the"
            " name, owner and mode"
        )
    for path, kind in named:
        problem = "" if path is None else _unusable(path, kind)
        if problem:
            return problem
    reason = (getattr(error, "reason", None) or error.strerror or str(error)).strip()
    if "MISMATCH" in reason and certificate is not None:
        return _mismatch(certificate, key or certificate)
    all_files = " and ".join(x for x in (certificate, key, ca) if x is not None)
    return (
        f"{all_files} cannot be used ({reason}): write whole PEM files, the certificate"
        " with its own key"
    )


def _unreadable(path: str) -> str:
    """The system's reason why a file cannot be read."""
    try:
        read_text(path)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _unusable(path: str, kind: str) -> str:
    """What is wrong with the content of one file."""
    text = read_text(path)
    if not text.strip():
        return f"{path} is empty: write the {kind} into it, PEM"
    if kind == "key" and "ENCRYPTED" in text:
        return f"{path} has a passphrase: write it without one, mode 0600"
    if kind == "key" and _PRIVATE not in text and BEGIN in text:
        return f"{path} holds a certificate and no private key: name the key's own file"
    if _PRIVATE in text if kind == "key" else "-----BEGIN " in text:
        return ""
    return (
        f"{path} is not usable PEM: it holds no {kind}; write PEM files, not DER or PFX"
    )


def _mismatch(certificate: str, key: str) -> str:
    """The key is not that of the first certificate: is it that of another one?"""
    for number, block in enumerate(blocks(read_text(certificate)), start=1):
        try:
            with as_file(block) as path:
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                    path, key, password=""
                )
        except OSError:
            continue
        return (
            f"{certificate} is in the wrong order: {key} belongs to its certificate"
            f" number {number}, which must come first, then the one that signed it"
        )
    return f"{key} is not the key of {certificate}: name its own key"


def read_text(path: str) -> str:
    """The beginning of a file; raises OSError."""
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read(_MOST)


def blocks(text: str) -> list[str]:
    """The certificates of a PEM file, in their order."""
    found = []
    for piece in text.split(BEGIN)[1:]:
        body, end, _ = piece.partition(END)
        if end:
            found.append(f"{BEGIN}{body}{END}\n")
    return found


@contextmanager
def as_file(text: str) -> Iterator[str]:
    """A path for what OpenSSL reads from files only; nothing touches a disk."""
    number = os.memfd_create("certificate")
    try:
        os.write(number, text.encode("ascii", "replace"))
        yield f"/proc/self/fd/{number}"
    finally:
        os.close(number)
