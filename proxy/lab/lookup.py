"""The first half of the journey as a probe: INVITE, INFO `requri`, BYE, timed.

What the doctor plays to a front end or through the running proxy.  It leaves nothing
behind but a short lookup session.
"""

import ssl
import time
from dataclasses import dataclass

from proxy.journey.legacy_client import ClientError, LegacyClient
from proxy.journey.link import Address
from proxy.journey.steps import REQURI
from proxy.journey.wire import xccos


@dataclass(frozen=True, slots=True)
class LookupStep:
    """One step: ``problem`` is empty when it went well; milliseconds."""

    name: str
    problem: str
    ms: float


async def play_lookup(
    to: Address,
    transport: str,
    alias: str,
    request_uri: str,
    *,
    user: str,
    host: str,
    tls: ssl.SSLContext | None = None,
    server_name: str | None = None,
) -> list[LookupStep]:
    """Play it once; ends at the first step that fails, and never raises.

    ``alias`` goes into To, ``request_uri`` into the INVITE's first line.
    """
    client = LegacyClient(
        to,
        transport=transport,
        user=user,
        host=host,
        tls=tls,
        server_name=server_name,
    )
    lookup = _Lookup(client, alias, request_uri)
    try:
        await lookup.play()
    finally:
        await client.close()
    return lookup.steps


class _Lookup:
    def __init__(self, client: LegacyClient, alias: str, request_uri: str) -> None:
        self.client = client
        self.alias = alias
        self.request_uri = request_uri
        self.steps: list[LookupStep] = []

    async def play(self) -> None:
        """INVITE and ACK; INFO, and the INFO that comes back; BYE."""
        name, started = "INVITE", time.perf_counter()
        client = self.client
        try:
            await client.connect()
            dialog = client.new_dialog(self.alias)
            dialog.remote_target = self.request_uri
            answer = await client.request(client.invite(dialog))
            if not client.establish(dialog, answer):
                raise ClientError(answer.start.partition(" ")[2])
            client.send(client.compose("ACK", dialog))
            self._ok(name, started)
            name, started = "INFO requri", time.perf_counter()
            answer = await client.request(client.info(dialog, xccos(REQURI)))
            if answer.status != 200:
                raise ClientError(answer.start.partition(" ")[2])
            await client.wait_request("INFO", b"rpl:requri")
            self._ok(name, started)
            name, started = "BYE", time.perf_counter()
            await client.hang_up(dialog)
            self._ok(name, started)
        except (ClientError, OSError, TimeoutError, ValueError) as problem:
            text = str(problem) or "no answer"
            self.steps.append(LookupStep(name, text, _ms(started)))

    def _ok(self, name: str, started: float) -> None:
        self.steps.append(LookupStep(name, "", _ms(started)))


def _ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
