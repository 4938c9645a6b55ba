"""A listener that answers every request with the same status and body."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Answering:
    """``asked`` are the heads of the requests that came."""

    def __init__(self, status: int, body: bytes) -> None:
        self.asked: list[bytes] = []
        self._answer = (
            b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
            % (status, len(body), body)
        )
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                opened, _ = self._socket.accept()
            except OSError:
                return
            with opened:
                head = b""
                while b"\r\n\r\n" not in head and (piece := opened.recv(65_536)):
                    head += piece
                if not head:
                    return  # ``end`` has called
                self.asked.append(head)
                opened.sendall(self._answer)

    def end(self) -> None:
        """Answer nobody any more."""
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        self._socket.close()


@contextmanager
def answering(status: int, body: bytes) -> Iterator[Answering]:
    """One that runs."""
    service = Answering(status, body)
    try:
        yield service
    finally:
        service.end()
