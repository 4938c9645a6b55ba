"""Errors of the protocol code: what a peer did wrong, and the status that says so."""


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
