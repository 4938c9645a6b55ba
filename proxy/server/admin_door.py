"""The admin listener through a start: first why it waits, then everything.

A caller of ``/health``, ``/ready`` or ``waypost status`` gets an answer while the store
is away, instead of a refused connection that looks like a dead process.
"""

import contextlib

from proxy.admin.listener.http import HttpListener, Page
from proxy.config.digest import digest_of
from proxy.config.model import Config
from proxy.net.errors import NetError
from proxy.server.admin_pages import open_admin, starting_pages
from proxy.server.state import ServiceState


class AdminDoor:
    """Opened at the first wait, or when the service is ready."""

    def __init__(self, config: Config, state: ServiceState) -> None:
        self._config = config
        self._state = state
        # Tells a caller that this is our listener; not a password.
        state.serves = {
            "config": str(config.path.absolute()),
            "config_digest": digest_of(config.effective()),
            "store_url": config.effective()["store"]["url"],
        }
        self._listener: HttpListener | None = None
        self._is_tried = False

    async def show_waiting(self) -> None:
        """Say why the start waits, where that is possible."""
        if self._is_tried:
            return
        self._is_tried = True
        with contextlib.suppress(NetError):  # said again when the start comes to it
            waiting = starting_pages(self._config, self._state)
            self._listener = await open_admin(self._config, waiting)

    async def show(self, pages: dict[str, Page]) -> bool:
        """Serve the whole; True when there is a listener.  Raises NetError."""
        if self._listener is not None and self._listener.has_token:
            self._listener.show(pages)
        else:
            await self.close()
            self._listener = await open_admin(self._config, pages)
        return self._listener is not None

    async def close(self) -> None:
        """Listen no more."""
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.close()
