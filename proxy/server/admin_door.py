"""The admin listener during a start: first it says why the start waits, then
everything.

While the store is away, a caller of ``/health``, ``/ready`` or ``waypost status`` gets
an answer, and not a refused connection, which would look like a dead process.
"""

import contextlib

from proxy.admin.listener.http import HttpListener, Page
from proxy.config.digest import digest_of
from proxy.config.model import Config
from proxy.net.errors import NetError
from proxy.server.admin_pages import open_admin, starting_pages
from proxy.server.state import ServiceState


class AdminDoor:
    """Opens the admin listener at the first wait, or when the service is ready."""

    def __init__(self, config: Config, state: ServiceState) -> None:
        self._config = config
        self._state = state
        # A caller can tell by this that it has reached the right service.
        state.serves = {
            "config": str(config.path.absolute()),
            "config_digest": digest_of(config.effective()),
            "store_url": config.effective()["store"]["url"],
        }
        self._listener: HttpListener | None = None
        self._is_tried = False

    async def show_waiting(self) -> None:
        """Serve the pages that say why the start waits; tried once."""
        if self._is_tried:
            return
        self._is_tried = True
        with contextlib.suppress(NetError):  # ``show`` will raise it again
            waiting = starting_pages(self._config, self._state)
            self._listener = await open_admin(self._config, waiting)

    async def show(self, pages: dict[str, Page]) -> bool:
        """Serve all pages; True when there is a listener.  Raises NetError."""
        if self._listener is not None and self._listener.has_token:
            self._listener.show(pages)
        else:
            await self.close()
            self._listener = await open_admin(self._config, pages)
        return self._listener is not None

    async def close(self) -> None:
        """Close the listener."""
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.close()
