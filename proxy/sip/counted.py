"""A figure that the message path counts and telemetry reads."""


class Counted:
    """A counter, ``n``.

    Compiled code adds to an attribute in place; in a list or a dictionary each new
    number would be a new object.
    """

    __slots__ = ("n",)

    def __init__(self) -> None:
        self.n = 0
