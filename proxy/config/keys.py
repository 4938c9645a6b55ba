"""The key file: what signs our Record-Routes, for nodes that share a name.

One key a line, in hexadecimal; the first signs, all are accepted.
"""

from codecs import BOM_UTF8
from pathlib import Path
from typing import Final

MIN_BYTES: Final = 32


class KeyFileError(Exception):
    """The key file cannot be used; the text says why and what to write."""


def read_keys(path: Path) -> tuple[bytes, ...]:
    """The keys in order; raises KeyFileError."""
    try:
        # Editors may put a byte order mark before it.
        text = path.read_bytes().removeprefix(BOM_UTF8).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not ASCII"
        raise KeyFileError(
            f"the key file {path} cannot be read ({reason}): "
            f"`openssl rand -hex {MIN_BYTES}` prints a line for it"
        ) from None
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        word = line.partition("#")[0].strip()
        if not word:
            continue
        try:
            key = bytes.fromhex(word)
        except ValueError:
            key = b""
        if len(key) < MIN_BYTES:
            raise KeyFileError(
                f"{path}:{number}: a key is {2 * MIN_BYTES} hexadecimal digits or "
                f"more: write what `openssl rand -hex {MIN_BYTES}` prints"
            )
        keys.append(key)
    if not keys:
        raise KeyFileError(
            f"{path} holds no key: write what `openssl rand -hex {MIN_BYTES}` prints"
        )
    return tuple(keys)
