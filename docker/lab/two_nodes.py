"""Dialogs and registrations at a node that dies.

    two_nodes.py HOST NODE OTHER RUN

Legacy clients over UDP talk to NODE until it is silent, and to OTHER from then on, as
who finds the proxy by SRV does (RFC 3263 section 4.3).  Exit code 0 when every dialog
lives to its end and everybody whose REGISTER was answered with 200 can be reached.
"""

import asyncio
import sys

from proxy.journey.legacy_client import ClientError, Dialog, LegacyClient
from proxy.journey.link import Address, DatagramSocket
from proxy.journey.wire import Message

ALIAS = "sip:ocschat@contoso.test"
DIALOGS = 60
PORT = 5060
PATIENCE = 2.0
"""Seconds of silence after which a client turns to the other node."""
LONGEST = 90.0


class RovingClient(LegacyClient):
    """A client over UDP that turns to the other node when one does not answer."""

    def __init__(self, node: Address, other: Address, host: str) -> None:
        super().__init__(node, transport="udp", host=host, timeout=PATIENCE)
        self.other = other
        self.has_moved = False

    async def request(self, request: Message) -> Message:
        try:
            return await super().request(request)
        except ClientError:
            if self.has_moved:
                raise
            assert isinstance(self._socket, DatagramSocket)
            self._link = self._socket.link(self.other)
            self.has_moved, self.timeout = True, 10.0
            return await super().request(request)


async def hold(client: RovingClient, dialog: Dialog) -> str:
    """An UPDATE each second, three more at the other node, BYE; what went wrong."""
    loop = asyncio.get_running_loop()
    end, left = loop.time() + LONGEST, 3
    try:
        while left and loop.time() < end:
            left -= client.has_moved
            answer = await client.request(client.compose("UPDATE", dialog))
            if answer.status != 200:
                return f"UPDATE: {answer.start}"
            await asyncio.sleep(1.0)
        answer = await client.hang_up(dialog)
    except ClientError as error:
        return str(error)
    return "" if answer.status == 200 else f"BYE: {answer.start}"


async def register(client: RovingClient, user: str) -> bool:
    """One REGISTER to the node, once; True when it was answered with 200."""
    dialog = client.new_dialog(f"sip:{user}@contoso.test")
    message = client.compose("REGISTER", dialog)
    message.start = "REGISTER sip:contoso.test SIP/2.0"
    message.headers = [
        (n, f"<sip:{user}@contoso.test>;tag=1" if n == "From" else v)
        for n, v in message.headers
    ]
    try:
        return (await LegacyClient.request(client, message)).status == 200
    except ClientError:
        return False


async def main(host: str, node: str, other: str, run: str) -> int:
    nodes = (node, PORT), (other, PORT)
    clients = [RovingClient(*nodes, host) for _ in range(DIALOGS)]
    calls = []
    for client in clients:
        await client.connect()
        dialog, answer = await client.call(ALIAS)
        if answer.status != 200:
            print(f"no dialog: {answer.start}")
            return 1
        calls.append((client, dialog))
    holding = [asyncio.ensure_future(hold(*each)) for each in calls]
    registrar = RovingClient(*nodes, host)
    await registrar.connect()
    promised: list[str] = []
    # Until the node dies; the last one may have no answer, and is not promised.
    while await register(registrar, f"{run}-u{len(promised)}"):
        promised.append(f"{run}-u{len(promised)}")
        await asyncio.sleep(0.02)
    caller = LegacyClient((other, PORT), transport="udp", host=host)
    await caller.connect()
    lost = []
    for user in promised:
        dialog = caller.new_dialog(f"sip:{user}@contoso.test")
        answer = await caller.request(caller.compose("MESSAGE", dialog))
        if answer.status != 200:
            lost.append(user)
    problems = [problem for problem in await asyncio.gather(*holding) if problem]
    moved = sum(client.has_moved for client in clients)
    print(
        f"dialogs {len(calls)}, carried on by the other node {moved}, "
        f"broken {len(problems)} {problems[:3] or ''}"
    )
    print(f"registrations answered with 200: {len(promised)}, lost: {len(lost)}")
    is_proof = moved == len(calls) and promised
    return 0 if is_proof and not problems and not lost else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
