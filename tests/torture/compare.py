"""What a forwarded message must have in common with the one that came."""

from tests.support.messages import read
from tests.support.proxy import Client, RunningProxy
from tests.torture.corpus import PASSES, SILENCE


def untouched(data: bytes) -> list[bytes]:
    """What must arrive as it left: all lines but ours, in order, and the body."""
    message = read(data)
    kept = zip(message.lines, message.names, strict=True)
    edited = ("", "via", "max-forwards", "route", "record-route")
    return [*(line for line, name in kept if name not in edited), message.body]


async def deserves(
    proxy: RunningProxy, client: Client, data: bytes, expected: object
) -> None:
    """Send it, and see that it gets the answer it deserves, or none."""
    client.send(data)
    if expected == SILENCE:
        await proxy.settle()
        assert client.received == []
    elif expected == PASSES:
        assert await client.final() == 200
    else:
        assert await client.final() in expected  # type: ignore[operator]
    await proxy.settle()
