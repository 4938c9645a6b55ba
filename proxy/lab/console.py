"""The lab's console: the real `waypost console` as a child process, and a way in."""

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass

from proxy.lab.service import ServiceError, command, waypost
from proxy.lab.setting import Setting

NAME = "lab"
"""The token that the link signs in as."""
UNUSABLE = 3


@dataclass(frozen=True, slots=True)
class LabConsole:
    """Where it is, and the link that signs in once."""

    url: str
    link: str
    child: asyncio.subprocess.Process

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL when that was not enough."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                self.child.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.child.wait(), 8)
                return


async def start_console(setting: Setting) -> LabConsole | None:
    """Start it; None where it is not installed.  Raises ServiceError."""
    await waypost(
        setting.config, "token", "new", NAME, "--role", "admin", "--days", "1"
    )
    with setting.console_log.open("ab") as log:
        child = await asyncio.create_subprocess_exec(
            *command("--config", str(setting.config), "console", "--sign-in", NAME),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            # Ctrl-C in a terminal reaches the whole group: we stop it in order.
            start_new_session=True,
            env={**os.environ, "NO_COLOR": "1"},
        )
    assert child.stdout is not None
    said = ""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(30):
            while line := await child.stdout.readline():
                said += line.decode("utf-8", "replace")
                if "signs in" in said:
                    break
    # The address and the link stand at the ends of their lines.
    at, link = (
        next((x.split()[-1] for x in said.splitlines() if words in x), "")
        for words in ("console at", "signs in")
    )
    if at and link:
        return LabConsole(at, link, child)
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    code = await child.wait()
    told = setting.console_log.read_text("utf-8", "replace").strip()
    if code == UNUSABLE and "waypost[console]" in told:
        return None
    raise ServiceError(f"waypost console did not come up:\n{told}")
