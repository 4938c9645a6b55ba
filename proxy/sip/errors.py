"""Errors of the protocol code: always one of two leaves, so blame is never in doubt."""


class SipError(Exception):
    """Something cannot go on; ``status`` is the SIP status that says so on the wire."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


class MalformedMessage(SipError):
    """The peer broke the rules; the answer, where one is possible, is ``status``."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(status, reason)


class MisuseError(SipError):
    """We broke the rules: a bug of ours, never the peer's fault."""

    def __init__(self, reason: str) -> None:
        super().__init__(500, reason)
