"""Breaks inputs of a corpus, again and again, and makes small what breaks a target."""

import random
import time
from collections.abc import Callable, Sequence

Target = Callable[[bytes], None]
SLOW = 0.25  # seconds of CPU for one input, whatever it is
LONGEST = 70_000

TOKENS = (
    *(b"\r\n", b"\r\n ", b"\r\n\t", b"\r\n\r\n", b"\r", b"\n", b"\0", b" ", b"\t"),
    *(b'"', b"\\", b'\\"', b"<", b">", b";", b",", b":", b"@", b"=", b"%", b"%00"),
    *(b"[", b"]", b"{", b"}", b"'", b"/", b"?", b"&", b"#", b"*", b"-1", b"+0"),
    *(b"\xff", b"\xc3\x28", b"\xe2\x80\xa8", b"4294967296", b"9" * 20, b"1_0"),
    *(b"SIP/2.0", b"SIP/2.0/UDP", b"sip:", b"sips:", b"tel:", b";lr", b";rport"),
    *(b";tag=", b";received=", b";transport=tcp", b";maddr=", b"proxy=replace"),
    *(b"Via: ", b"v: ", b"Route: ", b"Record-Route: ", b"Contact: ", b"m: ", b"To: "),
    *(b"Content-Length: ", b"l: ", b"Max-Forwards: ", b"Path: ", b"Supported: "),
    *(b"INVITE ", b"ACK ", b"BYE ", b"CANCEL ", b"REGISTER ", b"INFO ", b"BENOTIFY "),
    *(b"%VIA%", b"%ROUTE%", b"%CONTACT%", b"\n--\n", b"Digest ", b"nonce=", b"Host: "),
    *(b"HTTP/1.1", b"Transfer-Encoding: chunked", b"true", b"null", b"[[change]]"),
    *(b"-and ", b"Expires: 0", b";branch=z9hG4bK"),
)


class Broken(AssertionError):
    """A target does not hold; ``data`` is the smallest input found that shows it."""

    def __init__(self, name: str, data: bytes, error: BaseException) -> None:
        super().__init__(f"{name}: {type(error).__name__}: {error}\ninput: {data!r}")
        self.data = data


class Engine:
    """One target and its corpus; the same seed tries the same inputs."""

    def __init__(
        self, name: str, target: Target, corpus: Sequence[bytes], seed: int
    ) -> None:
        self.name = name
        self.target = target
        self.corpus = list(corpus)
        self.rng = random.Random(f"{name} {seed}")
        self.tried = 0

    def run(self, seconds: float) -> int:
        """Try new inputs for so long; how many.  Raises Broken."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.try_one(self.broken())
        return self.tried

    def try_one(self, data: bytes) -> None:
        """Raises Broken."""
        self.tried += 1
        error = self._error(data)
        if error is not None:
            data = self._smaller(data, type(error))
            raise Broken(self.name, data, self._error(data) or error) from error

    def _error(self, data: bytes) -> BaseException | None:
        try:
            # Once may be the collector, which looks at all that this process holds.
            took = self._seconds(data)
            if took >= SLOW:
                took = min(self._seconds(data) for _ in range(3))
            assert took < SLOW, f"{took:.2f} s for {len(data)} bytes"
        except Exception as error:
            return error
        return None

    def _seconds(self, data: bytes) -> float:
        begun = time.thread_time()
        self.target(data)
        return time.thread_time() - begun

    def _smaller(self, data: bytes, kind: type[BaseException]) -> bytes:
        """Leave out what is not needed, in ever smaller pieces."""
        tries, size = 0, len(data) // 2
        while size and tries < 500:
            at = 0
            while at < len(data) and tries < 500:
                less = data[:at] + data[at + size :]
                tries += 1
                if type(self._error(less)) is kind:
                    data = less
                else:
                    at += size
            size //= 2
        return data

    def broken(self) -> bytes:
        """A new input: one of the corpus after a few accidents."""
        rng = self.rng
        data = bytearray(rng.choice(self.corpus))
        for _ in range(rng.choice((1, 1, 2, 3, 5, 8))):
            rng.choice(_ACCIDENTS)(data, rng, self.corpus)
        return bytes(data[:LONGEST])


Accident = Callable[[bytearray, random.Random, list[bytes]], None]


def _span(data: bytearray, rng: random.Random) -> tuple[int, int]:
    start = rng.randint(0, len(data))
    return start, min(len(data), start + rng.choice((1, 2, 4, 8, 20, 60)))


def _set_byte(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.randrange(256)


def _insert_token(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    at = rng.randint(0, len(data))
    data[at:at] = rng.choice(TOKENS)


def _overwrite(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    start, end = _span(data, rng)
    data[start:end] = rng.choice(TOKENS)


def _delete(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    start, end = _span(data, rng)
    del data[start:end]


def _repeat(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    start, end = _span(data, rng)
    data[start:end] = data[start:end] * rng.choice((2, 3, 10, 50, 150))


def _repeat_token(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    at = rng.randint(0, len(data))
    data[at:at] = rng.choice(TOKENS) * rng.choice((2, 5, 50, 200, 2000))


def _move(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    start, end = _span(data, rng)
    piece = data[start:end]
    del data[start:end]
    at = rng.randint(0, len(data))
    data[at:at] = piece


def _splice(data: bytearray, rng: random.Random, corpus: list[bytes]) -> None:
    other = rng.choice(corpus)
    start = rng.randint(0, len(other))
    at = rng.randint(0, len(data))
    data[at:at] = other[start : start + rng.choice((10, 100, 1000))]


def _another_line(data: bytearray, rng: random.Random, corpus: list[bytes]) -> None:
    line = rng.choice(rng.choice(corpus).split(b"\r\n")) + b"\r\n"
    ends = [i for i in range(len(data)) if data[i : i + 2] == b"\r\n"]
    at = rng.choice(ends) + 2 if ends else 0
    data[at:at] = line


def _drop_line(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    lines = bytes(data).split(b"\r\n")
    del lines[rng.randrange(len(lines))]
    data[:] = b"\r\n".join(lines)


def _fold(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    blanks = [i for i, byte in enumerate(data) if byte in b" ;,"]
    if blanks:
        at = rng.choice(blanks)
        data[at:at] = b"\r\n "


def _change_number(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    digits = [i for i, byte in enumerate(data) if byte in b"0123456789"]
    if digits:
        at = rng.choice(digits)
        data[at : at + 1] = rng.choice((b"0", b"9", b"-1", b"65536", b"9" * 20, b""))


def _cut(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    del data[rng.randint(0, len(data)) :]


def _swap_case(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    start, end = _span(data, rng)
    data[start:end] = data[start:end].swapcase()


_ACCIDENTS: tuple[Accident, ...] = (
    *(_set_byte, _insert_token, _insert_token, _overwrite, _delete, _repeat, _move),
    *(_repeat_token, _splice, _another_line, _another_line, _drop_line, _fold, _fold),
    *(_change_number, _cut, _swap_case),
)
