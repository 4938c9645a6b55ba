"""What a stranger wrote, on its way to a log line or a terminal."""


def visible(text: str) -> str:
    """What a stranger wrote, fit for a log line and a terminal.

    Whatever is not printable (line ends, escape sequences) leaves as ``%0a``.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    raw = character.encode("utf-8", "surrogatepass")
    return "".join([f"%{byte:02x}" for byte in raw])
