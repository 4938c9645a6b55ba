"""The real `waypost` as child processes: `serve` in the background, verbs at once.

The lab uses the command an operator would type, never the modules behind it.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import uuid
from pathlib import Path
from typing import Any

from proxy.journey.link import Address
from proxy.sip.host import host_port


class ServiceError(Exception):
    """A command failed, or the proxy did not come up; the text is for a person."""


def command(*words: str) -> list[str]:
    """The command line of `waypost WORDS` with this interpreter."""
    script = Path(sys.executable).with_name("waypost")
    if script.exists():
        return [str(script), *words]
    call = "import sys; from proxy.cli.main import run; sys.exit(run())"
    return [sys.executable, "-c", call, *words]


async def waypost(config: Path, *words: str) -> Any:
    """Run one verb with ``--json``; its parsed output.  Raises ServiceError."""
    line = command("--config", str(config), "--json", *words)
    child = await asyncio.create_subprocess_exec(
        *line, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await child.communicate()
    if child.returncode != 0:
        text = (errors or output).decode("utf-8", "replace").strip()
        raise ServiceError(f"waypost {' '.join(words)}: {text}")
    return json.loads(output) if output.strip() else None


class Service:
    """`waypost serve` as a child process; ``words`` stand behind `serve`."""

    def __init__(self, config: Path, log: Path, *words: str) -> None:
        self.config, self.log, self._words = config, log, words
        self._child: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process id; raises ServiceError when it does not run."""
        if self._child is None:
            raise ServiceError("waypost serve does not run")
        return self._child.pid

    async def start(self, address: Address, timeout: float = 20.0) -> None:
        """Start it and wait until it answers OPTIONS over UDP at ``address``."""
        with self.log.open("ab") as log:
            self._child = await asyncio.create_subprocess_exec(
                *command("--config", str(self.config), "serve", *self._words),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in a terminal reaches the whole group: we stop it in order.
                start_new_session=True,
                env={**os.environ, "NO_COLOR": "1"},
            )
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while loop.time() < end and self._child.returncode is None:
            if await answers_options(address):
                return
        await self.stop()
        raise ServiceError(f"waypost serve did not come up:\n{self.tail()}")

    async def wait(self) -> int:
        """Wait for its end; the exit status."""
        if self._child is None:
            raise ServiceError("waypost serve does not run")
        return await self._child.wait()

    async def stop(self, timeout: float = 8.0) -> None:
        """SIGINT, which ends it without a drain; SIGKILL when that was not enough."""
        child = self._child
        if child is None or child.returncode is not None:
            return
        for number in (signal.SIGINT, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(child.wait(), timeout)
                return

    async def kill(self) -> None:
        """SIGKILL, as a machine that dies."""
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                self._child.kill()
            await self._child.wait()

    def tail(self, lines: int = 25) -> str:
        """The end of its log."""
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:]) or "(it logged nothing)"


async def answers_options(address: Address, patience: float = 1.0) -> bool:
    """True when ``address`` answers an OPTIONS over UDP with a final response."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setblocking(False)
        try:
            probe.bind(("127.0.0.1", 0))
            probe.connect(address)
            probe.send(_options(address, probe.getsockname()[:2]))
            data = await asyncio.wait_for(loop.sock_recv(probe, 65535), patience)
        except TimeoutError:
            return False
        except OSError:  # nobody listens yet
            await asyncio.sleep(0.05)
            return False
    return data.startswith(b"SIP/2.0 ") and not data.startswith(b"SIP/2.0 1")


def _options(to: Address, me: Address) -> bytes:
    unique, there = uuid.uuid4().hex[:12], host_port(*to)
    return (
        f"OPTIONS sip:{there} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {host_port(*me)};rport;branch=z9hG4bK{unique}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:lab@{me[0]}>;tag={unique}\r\n"
        f"To: <sip:{there}>\r\nCall-ID: {unique}\r\nCSeq: 1 OPTIONS\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()
