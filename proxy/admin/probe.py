"""``python3 -m proxy.admin.probe``: is the service ready?  Exit code 0 or 1.

For health checks that run every few seconds: nothing but the standard library, about
50 ms.  ``waypost status --ready`` is the same for people.
"""

import http.client
import os
import sys
import tomllib
from collections.abc import Mapping

from proxy.sip.host import host_port

DEFAULT = "127.0.0.1:8060"


def address(environ: Mapping[str, str]) -> tuple[str, int]:
    """Where the admin listener is: environment, file, default; wildcards are local."""
    text = environ.get("WAYPOST_ADMIN_LISTEN") or _from_file(
        environ.get("WAYPOST_CONFIG", "/etc/waypost/waypost.toml")
    )
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), int(port)


def _from_file(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return str(tomllib.load(file)["admin"]["listen"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return DEFAULT


def main() -> int:
    """Ask; say what came back on standard output, where ``docker inspect`` shows it."""
    host, port = address(os.environ)
    connection = http.client.HTTPConnection(host, port, timeout=3)
    try:
        connection.request("GET", "/ready")
        response = connection.getresponse()
        print(response.read().decode("utf-8", "replace").strip())
        return 0 if response.status == 200 else 1
    except (OSError, http.client.HTTPException) as error:
        print(f"{host_port(host, port)}: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
