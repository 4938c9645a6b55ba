"""The admin token: from the configuration, or a file that only its owner can read."""

import secrets
from codecs import BOM_UTF8
from pathlib import Path

from proxy.admin.files import make_whole
from proxy.config.model import Config


class TokenError(Exception):
    """There is no usable token; the text says what to do."""


def make_token(config: Config) -> str:
    """The token in force, for the service: a missing file is made.  Raises TokenError.

    Two services on one store share the file, so that the first one's token stays good.
    """
    if config.admin.token:
        return config.admin.token
    path = config.admin_token_file
    token = secrets.token_urlsafe(32)
    try:
        make_whole(path, f"{token}\n".encode(), 0o600)
    except FileExistsError:
        return read_token(config)
    except OSError as error:
        raise TokenError(
            f"the admin token cannot be written to {path} ({error.strerror}): write "
            "token_file = ... or token = ... in [admin]"
        ) from None
    return token


def read_token(config: Config) -> str:
    """The token in force, for a caller of the service.  Raises TokenError."""
    if config.admin.token:
        return config.admin.token
    path: Path = config.admin_token_file
    try:
        text = path.read_bytes().removeprefix(BOM_UTF8).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not ASCII"
        raise TokenError(
            f"the admin token in {path} cannot be read ({reason}): run this as the "
            "service's user, on its machine, with its configuration"
        ) from None
    if len(text) < 16:
        raise TokenError(
            f"{path} holds no token of 16 characters or more: remove it and start "
            "the service again"
        )
    return text
