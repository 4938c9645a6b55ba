"""The addresses that the service, its pages and the console would take.

Each is taken for a moment and given back: only so is it known that it can be had.
Nothing listens meanwhile.  What the running service holds itself is its own.
"""

from collections.abc import Iterator
from functools import cached_property

from proxy.admin.listener import client
from proxy.config import Config
from proxy.config.values import HostPort
from proxy.facts.model import Verdict
from proxy.net.bound_socket import open_socket
from proxy.net.errors import NetError

Place = tuple[str, Verdict, str]
"""Name of the step, verdict, text."""


class Places:
    """Looks at every address of a configuration."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def look(self) -> Iterator[Place]:
        """A verdict for each; of the pages only when there is something to say."""
        for listen in self._config.listen:
            place = f"{listen.transport} {listen.address}"
            verdict, text = self._free(listen.transport, listen.host, listen.port)
            yield "listen", verdict, text or place
        admin = self._config.admin.address
        if admin is None:
            yield (
                *("admin", "warning"),
                "[admin] listen is empty: no command can ask the running service how it"
                ' is, nor can a monitoring system; write listen = "127.0.0.1:8060"',
            )
            return
        verdict, text = self._free("tcp", admin.host, admin.port)
        if verdict != "ok":
            yield "admin", verdict, text

    def console(self, address: HostPort) -> tuple[Verdict, str]:
        """Of the console, which nobody asks whether it runs."""
        try:
            open_socket("tcp", address.host, address.port).close()
        except NetError as error:
            text = f"{error}; when it is the console itself, all is well"
            return "unknown", text if error.is_passing else str(error)
        return "ok", f"tcp {address}"

    def _free(self, transport: str, host: str, port: int) -> tuple[Verdict, str]:
        """Empty text: it is free."""
        try:
            open_socket(transport, host, port).close()
        except NetError as error:
            if not error.is_passing:
                # The account of the service may have the right that this one lacks.
                text = f"{error}; run the check as the account of the service to know"
                return "unknown", text
            return self._taken(error)
        return "ok", ""

    def _taken(self, error: NetError) -> tuple[Verdict, str]:
        """In use, by the service as well as anybody; or not an address of ours."""
        is_used = "in use" in str(error)
        if is_used and self._service:
            return "ok", f"{str(error).partition(' is in use')[0]}: {self._service}"
        if is_used and self._config.admin.address is None:
            text = "whether that is the service cannot be seen without [admin] listen"
            return "unknown", f"{error}; {text}"
        return "warning", f"{error}; a start waits until it can be had"

    @cached_property
    def _service(self) -> str:
        """That the service runs which has it; empty when none of this file does."""
        try:
            found = client.call_json(self._config, "GET", "/status")
        except (client.AdminError, ValueError):
            return ""
        if str(found.get("config", "")) != str(self._config.path.absolute()):
            return ""
        return "the running service has it"
