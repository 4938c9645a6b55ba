"""What a forwarded message must have in common with the one that came."""

from tests.support.messages import read


def untouched(data: bytes) -> list[bytes]:
    """What must arrive as it left: all lines but ours, in order, and the body."""
    message = read(data)
    kept = zip(message.lines, message.names, strict=True)
    edited = ("", "via", "max-forwards", "route", "record-route")
    return [*(line for line, name in kept if name not in edited), message.body]
