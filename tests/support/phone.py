"""A client on one TCP connection: that connection is the only way to it."""

import os
import socket

PATIENCE = 10.0


class Phone:
    """Sends requests of its own; `me` is its address and port."""

    def __init__(self, proxy: tuple[str, int], source: str, name: str) -> None:
        self.name = name
        self.socket = socket.create_connection(proxy, PATIENCE, (source, 0))
        self.socket.settimeout(PATIENCE)
        self.me = "{}:{}".format(*self.socket.getsockname())
        self._data = b""

    def send(self, start: str, *lines: str) -> None:
        """Method and Request-URI, and lines besides the usual ones."""
        method = start.partition(" ")[0]
        head = [
            f"{start} SIP/2.0",
            f"Via: SIP/2.0/TCP {self.me};branch=z9hG4bK{os.urandom(6).hex()}",
            "Max-Forwards: 70",
            f"From: <sip:{self.name}@contoso.test>;tag={self.name}",
            f"Call-ID: {self.name}-{method}",
            f"CSeq: 1 {method}",
            *lines,
            "Content-Length: 0",
        ]
        self.socket.sendall("\r\n".join([*head, "", ""]).encode())

    def receive(self, start: bytes) -> bytes:
        """The head of the next message that begins so."""
        while True:
            while b"\r\n\r\n" not in self._data:
                chunk = self.socket.recv(65_535)
                assert chunk, "the proxy hung up"
                self._data += chunk
            message, _, self._data = self._data.partition(b"\r\n\r\n")
            if message.startswith(start):
                return message + b"\r\n\r\n"
