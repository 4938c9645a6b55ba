"""The error of every store, whatever it is kept in."""


class StoreError(Exception):
    """The store cannot do its work; the text says why and what to do.

    ``is_passing``: it may be right again without a change on our side, so a starting
    service waits for it instead of giving up.  ``is_away``: the store cannot be
    reached.
    """

    def __init__(self, text: str, *, is_passing: bool = False) -> None:
        super().__init__(text)
        self.is_away = False
        self.is_passing = is_passing
