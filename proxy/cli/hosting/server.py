"""``waypost --server URL``: sends a line to a console and shows what comes back.

Only files that were named on the line are read and written here, whatever the other end
asks for.
"""

import base64
import codecs
import http.client
import json
import shutil
import ssl
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from proxy.admin.control import ControlError
from proxy.admin.files import write_whole
from proxy.cli.hosting.roles import ANYWHERE, HERE, VIEWER, path_of, role_of
from proxy.cli.screen import output
from proxy.cli.typed.arguments import Elsewhere, split_options
from proxy.cli.typed.cmdlets import UsageError, translate

PATIENCE: Final = 60.0
"""Seconds without a byte; the console sends a comment every ten."""
WISHES: Final = 10
GET_LIMIT: Final = 8000
UNUSABLE: Final = 3


def is_here(rest: Sequence[str]) -> bool:
    """Whether a line (in our words) is for the machine where it is typed.

    Raises UsageError for what is of one machine alone.
    """
    asks = any(word in ("--help", "-h", "--version") for word in rest)
    if not rest or asks or path_of(rest) in ANYWHERE:
        return True
    if path_of(rest) in HERE:
        raise UsageError(
            f'"waypost {" ".join(path_of(rest))}" is of one machine: type it there, '
            "without --server"
        )
    return False


@dataclass(slots=True)
class _Sent:
    """What goes with a line; grows with the wishes of the other end."""

    arguments: list[str]
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    input: str | None = None
    answers: list[str] = field(default_factory=list)
    shown: int = 0
    """Characters of standard output that have been shown already."""


def send(elsewhere: Elsewhere, arguments: Sequence[str]) -> int:
    """Have a console run a line; the exit code.  Raises ControlError."""
    console = _Console(elsewhere)
    sent = _Sent(list(arguments))
    for _ in range(WISHES):
        code = _once(console, sent)
        if code is not None:
            return code
    raise ControlError("the console asks for more and more: is it one?", UNUSABLE)


def _once(console: "_Console", sent: _Sent) -> int | None:
    """Send it as it is; None when the other end wants something more."""
    seen = 0
    for name, value in console.events(sent):
        match name:
            case "out":
                # Said again after a wish: what was shown is not shown again.
                fresh = value[max(0, sent.shown - seen) :]
                seen += len(value)
                sys.stdout.write(fresh)
                sys.stdout.flush()
            case "err":
                sys.stderr.write(value)
            case "made":
                output.made(value)
            case "file":
                _write(sent, value)
            case "want":
                sent.shown = max(sent.shown, seen)
                _grant(sent, value["kind"], value["what"])
                return None
            case "exit":
                return int(value)
    raise ControlError("the console broke off: look at its log", UNUSABLE)


def _named(sent: _Sent, name: str) -> Path:
    """A file that stands on the line; raises ControlError for any other."""
    words = {word.partition("=")[2] or word for word in sent.arguments}
    if name not in words and name not in sent.arguments:
        text = f"the console asks for {name}, which nobody named: is it one?"
        raise ControlError(text, UNUSABLE)
    return Path(name)


def _grant(sent: _Sent, kind: str, what: str) -> None:
    import typer

    if kind == "file":
        path = _named(sent, what)
        try:
            data = base64.b64encode(path.read_bytes()).decode()
            sent.files[what] = {"data": data}
        except OSError as error:
            sent.files[what] = {"error": error.strerror or str(error)}
    elif kind == "input":
        stream = getattr(sys.stdin, "buffer", None)
        try:
            typed: bytes = stream.read() if stream else sys.stdin.read().encode()
        except (OSError, ValueError, AttributeError):  # closed, or not ours to read
            typed = b""
        sent.input = base64.b64encode(typed).decode()
    elif kind == "confirm":
        sent.answers.append("yes" if typer.confirm(what) else "no")
    elif kind == "password":
        answer = typer.prompt(what, hide_input=True, confirmation_prompt=True)
        sent.answers.append(answer)
    else:
        raise ControlError(f'the console wants "{kind}": it is newer than this command')


def _write(sent: _Sent, value: dict[str, Any]) -> None:
    path = _named(sent, value["name"])
    try:
        write_whole(path, base64.b64decode(value["data"]))
    except OSError as error:
        raise ControlError(
            f"{path} cannot be written ({error.strerror}): it is as it was before"
        ) from None


class _Console:
    """The other end."""

    def __init__(self, elsewhere: Elsewhere) -> None:
        parts = urlsplit(elsewhere.server)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ControlError(
                f'"{elsewhere.server}" is not the address of a console: write '
                "--server https://proxy.contoso.com:8443",
                UNUSABLE,
            )
        self._url = f"{parts.scheme}://{parts.netloc}"
        self._path = parts.path.rstrip("/")
        self._host, self._port = parts.hostname, parts.port
        self._context: ssl.SSLContext | None = None
        if parts.scheme == "https":
            self._context = _context(elsewhere.ca_file)
        elif not _is_loopback(parts.hostname):
            raise ControlError(
                "over plain HTTP everybody on the way could read the token: write "
                f"--server https://{parts.netloc}",
                UNUSABLE,
            )
        self._token = _token(elsewhere.token_file)

    def events(self, sent: _Sent) -> Iterator[tuple[str, Any]]:
        """What the console tells of a line.  Raises ControlError."""
        connection: http.client.HTTPConnection
        if self._context is None:
            connection = http.client.HTTPConnection(
                self._host, self._port, timeout=PATIENCE
            )
        else:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=PATIENCE, context=self._context
            )
        try:
            response = self._ask(connection, sent)
            if response.status != 200:
                raise self._refusal(response)
            yield from _parsed(response)
        except ssl.SSLCertVerificationError as error:
            raise ControlError(
                f"{self._url} shows a certificate that is not trusted here "
                f"({error.verify_message}): name its authority with --ca-file FILE",
                UNUSABLE,
            ) from None
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or error
            raise ControlError(
                f"no console answers at {self._url} ({why}): is it running?", UNUSABLE
            ) from None
        finally:
            connection.close()

    def _ask(
        self, connection: http.client.HTTPConnection, sent: _Sent
    ) -> http.client.HTTPResponse:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Accept": "text/event-stream",
        }
        path, terminal = f"{self._path}/api/v1/lines", _terminal()
        query = urlencode(
            [("argument", each) for each in sent.arguments]
            + [(k, str(v)) for k, v in terminal.items() if v is not None],
            errors="surrogateescape",
        )
        is_plain = not (sent.files or sent.input is not None or sent.answers)
        if is_plain and _only_looks(sent.arguments) and len(query) < GET_LIMIT:
            connection.request("GET", f"{path}?{query}", headers=headers)
            return connection.getresponse()
        body = {
            "arguments": sent.arguments,
            "terminal": terminal,
            "files": sent.files,
            "input": sent.input,
            "answers": sent.answers,
        }
        headers["Content-Type"] = "application/json"
        connection.request("POST", path, json.dumps(body), headers)
        return connection.getresponse()

    def _refusal(self, response: http.client.HTTPResponse) -> ControlError:
        body = response.read(65_536)
        try:
            problem = json.loads(body)
            return ControlError(
                str(problem["detail"]), int(problem.get("exit_code", 1))
            )
        except (ValueError, KeyError, TypeError):
            return ControlError(
                f"what answers at {self._url} is no console ({response.status})",
                UNUSABLE,
            )


def _only_looks(arguments: Sequence[str]) -> bool:
    _, rest = split_options(arguments)
    return role_of(path_of(translate(rest))) == VIEWER


def _terminal() -> dict[str, Any]:
    is_output = sys.stdout.isatty()
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        encoding = codecs.lookup(encoding).name
    except LookupError:
        encoding = "utf-8"
    return {
        "is_input_terminal": sys.stdin is not None and sys.stdin.isatty(),
        "is_output_terminal": is_output,
        "columns": shutil.get_terminal_size().columns if is_output else None,
        "encoding": encoding,
    }


def _parsed(response: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    """Server-sent events as they come."""
    name = ""
    for raw in response:
        line = raw.decode("utf-8").rstrip("\r\n")
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])


def _context(ca_file: str | None) -> ssl.SSLContext:
    # As `proxy/net/tls.py` does for the service. `create_default_context` is stricter
    # from Python 3.13 on: a console that one machine trusts, another would refuse.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return context
    try:
        context.load_verify_locations(ca_file)
        return context
    except OSError as error:  # ssl.SSLError is one
        raise ControlError(
            f"{ca_file} cannot be used ({error.strerror or error}): --ca-file wants "
            "certificates (PEM)",
            UNUSABLE,
        ) from None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _token(name: str | None) -> str:
    if name is None:
        raise ControlError(
            "say who asks: --token-file FILE, with what waypost token new has printed",
            UNUSABLE,
        )
    try:
        text = Path(name).read_bytes().removeprefix(codecs.BOM_UTF8).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not ASCII"
        raise ControlError(f"{name} cannot be read: {reason}", UNUSABLE) from None
    token = text.strip()
    if not token or not token.isprintable():
        raise ControlError(f"{name} holds no token on one line", UNUSABLE)
    return token
