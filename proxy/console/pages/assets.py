"""What pages load beside their HTML: style, scripts, icon.

Each file has its hash in its address, so a browser keeps it for good and asks for
another one after an upgrade.  Files travel compressed, because they hold no secret that
their compressed size could betray.
"""

import gzip
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

ROOT: Final = "/static"
_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_FOR_GOOD: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, as it is and compressed."""

    media_type: str
    plain: bytes
    packed: bytes


class Assets:
    """Every file of ``static``, read once."""

    def __init__(self) -> None:
        self._by_path: dict[str, Asset] = {}
        self._paths: dict[str, str] = {}
        for file in (files("proxy.console.pages") / "static").iterdir():
            media_type = _TYPES.get(file.name.rpartition(".")[2])
            if media_type is None:
                continue
            data = file.read_bytes()
            path = f"{hashlib.sha256(data).hexdigest()[:12]}/{file.name}"
            self._by_path[path] = Asset(media_type, data, gzip.compress(data, mtime=0))
            self._paths[file.name] = f"{ROOT}/{path}"

    def url(self, name: str) -> str:
        """Where a page finds a file; KeyError for one that is not there."""
        return self._paths[name]

    async def answer(self, request: Request) -> Response:
        """The file that an address names, to anybody."""
        found = self._by_path.get(request.path_params["path"])
        if found is None:
            return Response("there is no such file\n", 404, media_type="text/plain")
        headers = {"Cache-Control": _FOR_GOOD, "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(found.packed, 200, headers, found.media_type)
        return Response(found.plain, 200, headers, found.media_type)
