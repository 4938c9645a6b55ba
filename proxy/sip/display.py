"""Makes a stranger's text fit for a log line or a terminal."""


def visible(text: str) -> str:
    """A text with every unprintable character escaped, such as a line end as ``%0a``.

    Otherwise a stranger could forge log lines, or send commands to a terminal.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    raw = character.encode("utf-8", "surrogatepass")
    return "".join([f"%{byte:02x}" for byte in raw])
