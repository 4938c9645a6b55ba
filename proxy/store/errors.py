"""The error of every store, whatever it is kept in."""


class StoreError(Exception):
    """The store cannot do its work; the text says why and what to do.

    ``is_passing`` is set when the trouble may pass by itself; a starting service then
    waits instead of giving up.  ``is_away`` is set when the store cannot be reached.
    """

    def __init__(self, text: str, *, is_passing: bool = False) -> None:
        super().__init__(text)
        self.is_away = False
        self.is_passing = is_passing
