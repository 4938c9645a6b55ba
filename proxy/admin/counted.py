"""A number with its noun, for people: the plural of one is wrong."""


def counted(number: int, noun: str) -> str:
    """``1 endpoint``, ``2 endpoints``; for nouns whose plural is the noun and an s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
