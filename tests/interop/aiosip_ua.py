"""aiosip as an independent user agent, with the two shims it needs.

aiosip (here through `asyncsip`, its last state under another name) dates from 2018: a
user agent library, no base for a proxy.  It sorts header fields, knows no Record-Route
and writes a CANCEL that no proxy can match, so loose routing, CANCEL and proxy
authentication cannot be tested with it.  What it can do, it does with other code than
ours: REGISTER, SUBSCRIBE and NOTIFY, INVITE and BYE.
"""

import asyncio
import types
from typing import Any

# First shim: one method of it is still an `asyncio.coroutine`, gone since Python 3.11.
if not hasattr(asyncio, "coroutine"):
    asyncio.coroutine = types.coroutine  # type: ignore[attr-defined]

import asyncsip as aiosip
from asyncsip.dialog import InviteDialog

PROTOCOL = {"udp": aiosip.UDP, "tcp": aiosip.TCP}


class Invite(InviteDialog):  # type: ignore[misc]
    """Second shim: an INVITE that survives a 100 Trying.

    A 100 has no To tag (RFC 3261 section 8.2.6.2); aiosip reads one, fails, and has
    by then forgotten the call.  Any stateful proxy sends a 100, so it is kept away.
    """

    async def receive_message(self, msg: Any) -> None:
        if isinstance(msg, aiosip.Response) and msg.status_code == 100:
            return
        await super().receive_message(msg)


def details(user: str) -> aiosip.Contact:
    """A From or To value in aiosip's own type."""
    return aiosip.Contact.from_header(f"sip:{user}@contoso.test")


def contact(user: str, address: tuple[str, int], transport: str) -> aiosip.Contact:
    """A Contact value in aiosip's own type."""
    host, port = address
    return aiosip.Contact({"uri": f"sip:{user}@{host}:{port};transport={transport}"})


def application() -> aiosip.Application:
    """A user agent in the running loop."""
    return aiosip.Application(loop=asyncio.get_running_loop())
