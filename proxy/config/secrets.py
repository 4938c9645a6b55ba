"""The part of a line or value that may be shown: everything but tokens and
passwords."""

import re
from typing import Final

_KEY: Final = re.compile(
    r"((?:token|password|secret)[\"']?[ \t]*=)[ \t]*+[^ \t].*",
    re.IGNORECASE | re.DOTALL,
)
_ACCOUNT: Final = re.compile(r"//[^/\s\"']*+(?=/|\s|[\"']|\Z)")
_OPTION: Final = re.compile(r"(_password=)[^&\s\"']*+", re.IGNORECASE)
_LONG_WORD: Final = re.compile(
    r"(=[ \t]*+[\"']?)[A-Za-z0-9+/_~\-]{16,}+={0,2}+(?![^\s\"'])"
)


def mask_line(text: str) -> str:
    """A line that is no TOML, without any long word behind ``=`` either.

    The name of its key may be misspelt, and a token then looks like any other word.
    """
    return _LONG_WORD.sub(r"\1***", mask(text))


def mask(text: str) -> str:
    """``text`` without what follows ``token =``, and without accounts of URLs."""
    text = _KEY.sub(r"\1 ***", text)
    text = _ACCOUNT.sub(_without_account, text)
    return _OPTION.sub(r"\1***", text)


def _without_account(found: re.Match[str]) -> str:
    _, at, host = found[0].rpartition("@")
    return f"//***@{host}" if at else found[0]
