"""A figure that the message path counts and telemetry reads."""


class Counted:
    """``n`` is how often; as an attribute it is added to in place, where a list or a
    dictionary of numbers has a new object made for each."""

    __slots__ = ("n",)

    def __init__(self) -> None:
        self.n = 0
