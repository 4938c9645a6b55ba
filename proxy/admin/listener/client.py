"""Calls the admin listener of a running service, for the command line."""

import http.client
import json
from typing import Any, Final

from proxy.admin.listener.token import TokenError, read_token
from proxy.config.model import Config
from proxy.config.values import HostPort
from proxy.sip.host import LOOPBACK

TIMEOUT: Final = 5.0


class AdminError(Exception):
    """The service refused a request; the text says why and what to do.

    ``refusal`` is its own sentence about a question that it cannot read (400).
    """

    refusal = ""


def call(
    config: Config, method: str, path: str, at: HostPort | None = None
) -> tuple[int, bytes]:
    """Status and body of one request.  Raises AdminError when there is no answer.

    ``at`` is the listener of another node; without it our own is asked.
    """
    address = config.admin.address if at is None else at
    if address is None:
        raise AdminError(
            'the service has no admin listener: write listen = "127.0.0.1:8060" in '
            "[admin] and start it again"
        )
    host = LOOPBACK.get(address.host, address.host)
    connection = http.client.HTTPConnection(host, address.port, timeout=TIMEOUT)
    try:
        connection.request(method, path, headers=_credentials(config, method))
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        where = "" if at is not None else f", and with {config.path}"
        why = getattr(error, "strerror", None) or error
        raise AdminError(
            f"no service answers at {address} ({why}): is it running{where}?"
        ) from None
    finally:
        connection.close()


def _credentials(config: Config, method: str) -> dict[str, str]:
    """The token; for reading it may be missing, and the service decides."""
    try:
        return {"Authorization": f"Bearer {read_token(config)}"}
    except TokenError as error:
        if method == "GET":
            return {}
        raise AdminError(str(error)) from None


def call_json(
    config: Config, method: str, path: str, at: HostPort | None = None
) -> Any:
    """The JSON answer to a request.  Raises AdminError."""
    status, body = call(config, method, path, at)
    if status >= 400:
        text = body.decode("utf-8", "replace").strip()
        asked = path.partition("?")[0]
        error = AdminError(f"the service answered {status} to {asked}: {text}")
        error.refusal = text if status == 400 else ""
        raise error
    return json.loads(body)


def phase(config: Config) -> str:
    """``ready``, ``draining`` or ``starting``.  Raises AdminError."""
    status, body = call(config, "GET", "/ready")
    told = body.decode("utf-8", "replace").strip().partition("\n")[0]
    # What follows is no reason not to be ready, or it would not be 200.
    return told.partition(";")[0] if status == 200 else told
