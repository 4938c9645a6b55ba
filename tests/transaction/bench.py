"""A transaction layer on a virtual clock, with what it sent and reported."""

from proxy.sip.flow import Flow, Listener
from proxy.transaction.layer import TransactionLayer
from proxy.transaction.timers import Timers
from tests.support.messages import read, request, response

START = 5000.0
KEY = b"z9hG4bK-1"


def lines_sent(data: bytes) -> list[bytes]:
    """A request as the forwarder hands it over: its lines, an empty one, the body."""
    head, _, body = data.partition(b"\r\n\r\n")
    return [*head.split(b"\r\n"), b"", body]


class Bench:
    """The layer, its user (itself) and a clock; instants are relative to the start."""

    def __init__(self, transport: str = "udp") -> None:
        self.now = START
        self.timers = Timers()
        self.layer = TransactionLayer(self._sent, self.timers)
        self.flow = Flow(Listener(transport, "10.0.0.5", 5060), "10.0.1.1", 5060, 1)
        self.sent: list[tuple[float, str]] = []
        self.reported: list[tuple[float, str]] = []

    def client(self, method: str = "INVITE"):
        """A client transaction that has just sent its request."""
        self.request = request(f"{method} sip:x@contoso.test")
        return self.layer.open_client(
            *(KEY, method.encode(), lines_sent(self.request)),
            *(self.flow, self, self.now),
        )

    def server(self, method: str = "INVITE"):
        """A server transaction that has just been created."""
        self.request = request(f"{method} sip:x@contoso.test")
        transaction = self.layer.open_server(KEY, method.encode(), self.flow)
        transaction.user = self
        return transaction

    def answer(self, status: int) -> None:
        """The peer answers."""
        data = read(response(self.request, status))
        for transaction in list(self.layer.clients.values()):
            transaction.response_received(data, self.now)

    def run(self, seconds: float) -> None:
        """Serve every deadline at its exact instant until then."""
        end = self.now + seconds
        while (due := self.timers.deadline()) is not None and due <= end:
            self.now = due
            self.timers.fire(due)
        self.now = end

    def times(self, word: str) -> list[float]:
        """When something beginning with `word` was sent."""
        return [at for at, what in self.sent if what.startswith(word)]

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.now - START

    def _sent(self, flow: Flow, data: bytes) -> None:
        self.sent.append((self.elapsed, data.partition(b"\r\n")[0].decode()))

    # -- ClientUser and ServerUser -----------------------------------------------

    def response_received(self, transaction, response, now) -> None:
        self.reported.append((self.elapsed, str(response.status)))

    def transaction_failed(self, transaction, reason, now) -> None:
        self.reported.append((self.elapsed, reason))

    def still_waiting(self, transaction, now) -> None:
        self.reported.append((self.elapsed, "waiting"))

    def request_abandoned(self, transaction, now) -> None:
        self.reported.append((self.elapsed, "abandoned"))
