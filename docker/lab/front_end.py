"""A front end of the lab's new pool: `front_end.py NAME ADDRESS`."""

import asyncio
import signal
import sys

from proxy.lab.front_end import FrontEndServer

FORGET_AFTER = 20.0
"""Seconds: what the server keeps for tests would fill the memory under load."""


async def serve(server: FrontEndServer) -> None:
    """Run a front end until SIGTERM, saying now and then what it did."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await server.start()
    print(f"{server.name} serves on {server.host}:{server.port}", flush=True)
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), FORGET_AFTER)
        except TimeoutError:
            if server.seen:
                print(f"{server.name} saw {len(server.seen)} messages", flush=True)
            server.forget()
    await server.stop()


if __name__ == "__main__":
    name, host = sys.argv[1:]
    asyncio.run(serve(FrontEndServer(name, host, 5060)))
