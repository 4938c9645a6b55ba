"""A legacy client's start, step by step: `journey.py ADDRESS PROXY [TRANSPORT]`.

Exit code 0 when every step arrived.
"""

import asyncio
import sys

from proxy.journey.journey import Journey
from proxy.journey.legacy_client import LegacyClient

ALIAS = "sip:ocschat@contoso.test"


async def main(host: str, proxy: str, transport: str = "tcp") -> int:
    client = LegacyClient((proxy, 5060), transport=transport, host=host)
    journey = Journey(client, ALIAS)
    for step in await journey.play():
        mark = "ok  " if step.ok else "FAIL"
        status = step.status or "-"
        print(f"{mark} {step.name:<58} {status:>4} {step.ms:7.1f} ms  {step.detail}")
    return 0 if journey.ok else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
