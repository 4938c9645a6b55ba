"""No function that reads a text takes more time than the length of the text allows.

Those of the pure packages are found in the sources: whatever takes bytes or text
first, and nothing else that it must have.  What needs more stands in `MORE`.
"""

import ast
import contextlib
import importlib
import itertools
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from proxy.admin.listener import http
from proxy.core.dialogs.requri import learned_uri
from proxy.core.first_hop.contact_token import replace_contacts
from proxy.core.settings import RegistrarSettings
from proxy.endpoints.address import normalise_service_uri
from proxy.endpoints.exchange import decode, read_rows
from proxy.endpoints.plan import parse_pilots, parse_plan
from proxy.endpoints.table import EndpointTable
from proxy.sip.framing import StreamFramer
from proxy.sip.limits import MessageLimits
from proxy.sip.message import parse_message
from tests.core.first_hop.test_first_hop import scene
from tests.support.cost import PER_BYTE, hold_flat
from tests.support.messages import request
from tests.support.patterns import PROXY, PUMPS
from tests.support.playbook import Playbook, endpoint

PACKAGES = ("sip", "transaction", "core", "endpoints", "location", "config", "lab")
MODULES = (
    "admin/listener/http.py",
    "pools/srv.py",
    "telemetry/metrics.py",
    "cli/screen/render.py",
)
# These open files or sockets, or try out addresses.
NOT_HERE = (
    *("config/file.py", "config/reader.py", "lab/setting.py", "lab/main.py"),
    "lab/dns_server.py",  # dnspython's reader, for the lab alone
)
NOT_A_TEXT = {"_escaped"}  # of one character
NOT_TEXT = {
    "proxy.endpoints.changes": "commands: their texts go through endpoints.address",
    "proxy.endpoints.cutover": "commands: their texts are names of cutovers",
}
WAYS_IN = (
    *("", "sip:", "sip:a@", "sip:a@b;", "<sip:a@b>;", '"', '"a" <', "a=", "; ", "[::"),
    *("SIP/2.0/UDP a;", "To: <sip:a@b>;", "X: ", 'Digest a="', "1 ", "a: "),
    *("INVITE sip:a@b SIP/2.0\r\n", "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=1"),
)
NO_LIMITS = MessageLimits(*([1 << 30] * 8))


def found() -> Iterator[tuple[str, Callable[[Any], object], bool]]:
    """Name, function, and whether it takes bytes."""
    files = [path for name in PACKAGES for path in sorted((PROXY / name).rglob("*.py"))]
    for path in (*files, *(PROXY / name for name in MODULES)):
        place = path.relative_to(PROXY)
        module = ".".join(("proxy", *place.with_suffix("").parts))
        if str(place) in NOT_HERE or module in NOT_TEXT:
            continue
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.FunctionDef) or node.name in NOT_A_TEXT:
                continue
            if not node.args.args:
                continue
            first, *others = node.args.args
            kind = ast.unparse(first.annotation) if first.annotation else ""
            if len(others) > len(node.args.defaults) or kind not in ("bytes", "str"):
                continue
            function = getattr(importlib.import_module(module), node.name)
            yield f"{module}.{node.name}", function, kind == "bytes"


FOUND = list(found())


def texts(is_bytes: bool, ways: tuple[str, ...] = WAYS_IN, end: str = ""):
    for way in ways:
        for pump in PUMPS:

            def text(size, way=way, pump=pump):
                made = way + pump * (size // len(pump)) + end
                return made.encode("latin-1") if is_bytes else made

            yield text


def quietly(read: Callable[[Any], object]) -> Callable[[Any], None]:
    def call(text: Any) -> None:
        with contextlib.suppress(Exception):
            read(text)

    return call


@pytest.mark.parametrize(
    ("function", "is_bytes"),
    [pytest.param(*rest, id=name) for name, *rest in FOUND],
)
def test_a_function_takes_time_in_proportion_to_what_it_reads(function, is_bytes):
    slow = function.__name__ in ("read_rows", "_csv_rows")
    hold_flat(quietly(function), texts(is_bytes), SLOW["CSV"] if slow else PER_BYTE)


def in_pieces(size: int) -> Callable[[bytes], None]:
    def feed(data: bytes) -> None:
        framer = StreamFramer(MessageLimits(header_block=1 << 20, body=1 << 20))
        for start in range(0, len(data), size):
            framer.feed(data[start : start + size])

    return feed


def of_a_service(key: str) -> None:
    pattern = normalise_service_uri("sip:GC-*-x-*-y-*@contoso.test")
    table = EndpointTable((endpoint(service_uris=(pattern,)),))
    table.endpoint_by_service_uri(key)


HOP = scene()
CLIENT = HOP.flow("client/tcp")


def contacts(data: bytes) -> None:
    message = parse_message(data, NO_LIMITS)
    replace_contacts(message, CLIENT, HOP.flows.listeners[0], HOP.core.tokens)


CONTACT = request("INVITE sip:a@b", "CONTACT").decode().partition("CONTACT")
CONTACTS = tuple(
    f"{CONTACT[0]}Contact: {value}"
    for value in (
        *("", '"', "<sip:a@b>;proxy=replace", "<sip:a@b>;proxy=replace;a"),
        *("sip:a@b;proxy=replace", '"a" <sip:a@b>;proxy=replace;a="', "<sip:a@b;"),
    )
)
CONTENT_LENGTHS = tuple(
    f"INVITE sip:a SIP/2.0\r\n{line}"
    for line in (
        "",
        "Content-Length: ",
        "Content-Length:\r\n ",
        "l: 1\r\n",
        "L",
        "X:\n",
    )
)
CSV = ("", "Identity,PoolFqdn\n", '"Identity","PoolFqdn"\n"', "Identity\tPoolFqdn\n")
JSON = ("[", '{"a": "', "[{", '[{"Identity": "', '{"a": ')
# tomllib walks a path of many dots once for each dot; a plan is an administrator's.
TOML = ('a = "', 'a = """', "a = '", "[a]", "[[change]]\na = ", "a = [", "# a")
# A row is a row, even of three bytes; a table is an administrator's too.
SLOW = {"CSV": 4e-6}
HTTP = ("GET / HTTP/1.1\r\n", "GET /", "GET / HTTP/1.1\r\na:", "GET / HTTP/1.1\r\na: b")

MORE: dict[str, tuple[Callable[[Any], object], bool, tuple[str, ...], str]] = {
    "message": (
        lambda data: parse_message(data, NO_LIMITS),
        *(True, ("INVITE sip:a SIP/2.0\r\n", *CONTACTS), CONTACT[2]),
    ),
    "message within the limits": (parse_message, True, CONTACTS, CONTACT[2]),
    "stream": (in_pieces(1 << 20), True, CONTENT_LENGTHS, "\r\n\r\n"),
    "stream, 1,400 bytes": (in_pieces(1400), True, CONTENT_LENGTHS, "\r\n\r\n"),
    "Contact at the first hop": (contacts, True, CONTACTS, CONTACT[2]),
    "learned URI": (
        lambda body: learned_uri(body, frozenset({"contoso.test"})),
        *(True, ("<uib ", "<uib uri", "<uib uri=", '<uib uri="', "<uib a"), ""),
    ),
    "service URI": (of_a_service, False, ("GC-", "gc-a-x-", "gc-a-x-b-y-"), ""),
    "HTTP": (http._parse, True, HTTP, "\r\n\r\n"),
    "CSV": (read_rows, False, CSV, ""),
    "JSON": (read_rows, False, JSON, ""),
    "a file": (lambda data: decode(data), True, ("", "\xff\xfe", "\xff\xfe\0\0"), ""),
    "plan": (lambda text: parse_plan(text, "plan"), False, TOML, ""),
    "pilots": (lambda text: parse_pilots(text, "pilots"), False, ("", "sip:a"), ""),
}


@pytest.mark.parametrize("name", MORE)
def test_what_needs_more_than_a_text_takes_time_in_proportion(name):
    read, is_bytes, ways, end = MORE[name]
    hold_flat(quietly(read), texts(is_bytes, ways, end), SLOW.get(name, PER_BYTE))


def test_every_reader_is_tried():
    tried = {name for name, *_ in FOUND}
    assert len(tried) > 60
    readers = ("parse_via", "parse_cseq", "parse_name_addr", "parse_uri", "tag_of_line")
    for name in (*readers, "parse_credentials", "read_plain_response", "split_values"):
        assert any(each.endswith("." + name) for each in tried), name


NAMES = (
    *("Via", "From", "To", "Call-ID", "CSeq", "Contact", "Route", "Record-Route"),
    *("Max-Forwards", "Supported", "Require", "Proxy-Require", "Authorization"),
    *("Expires", "Path", "Timestamp", "P-Asserted-Identity", "User-Agent", "X"),
    *("ms-keep-alive", "Content-Length", "Max-Breadth", "Event"),
)
VALUES = {
    "Via": "SIP/2.0/UDP 10.1.0.9;branch=z9hG4bK-BRANCH;",
    "Contact": "<sip:alice@10.1.0.9>;proxy=replace;expires=60;",
    "Route": "<sip:10.0.0.5:5060;lr>;",
    "Authorization": "Digest username=",
    "Path": "<sip:10.0.0.5;lr>;",
    "From": "<sip:alice@contoso.test>;tag=1;",
    "To": "<sip:alice@contoso.test>;",
}


@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "OPTIONS"])
def test_a_message_takes_the_core_time_in_proportion_to_its_length(method):
    """Lines of up to 8 KB, as many as 64 KB hold, each of one hostile text."""
    settings = RegistrarSettings(
        "contoso.test", "contoso.test", trusted_networks=(ip_network("10.1.0.0/24"),)
    )
    play = Playbook(registrar=settings, default_route=b"sip:10.0.2.1:5060")
    hop = scene()
    serial = itertools.count()

    def receive(data: bytes) -> None:
        data = data.replace(b"BRANCH", b"%d" % next(serial))
        for each, peer in ((play, "client"), (hop, "client/tcp")):
            each.core.receive(each.flow(peer), data, each.now)
            each.core.take_commands()

    def message(name: str, pump: str) -> Callable[[int], bytes]:
        def text(size: int) -> bytes:
            start = VALUES.get(name, "")
            lines = []
            while size > 0:
                length = min(size, 7_500)
                lines.append(f"{name}: {start}{pump * (length // len(pump))}")
                size -= length
            data = request(
                f"{method} sip:contoso.test", *lines, branch="z9hG4bK-BRANCH"
            )
            if name in ("Via", "From", "To", "Call-ID", "CSeq"):
                kept = [x for x in data.split(b"\r\n") if x not in lines]
                data = b"\r\n".join(kept)
            return data

        return text

    texts = (message(name, pump) for name in NAMES for pump in PUMPS)
    hold_flat(receive, texts, 2 * PER_BYTE)  # two cores read each


FOLDS = ("\r\n ", "\r\n\t", "\r\n b", " \r\n ", "\r\n  ")


def test_folds_cost_no_more_than_other_bytes():
    """60 KB of them held everybody else up for 7 ms (bound of the least of runs)."""
    play = Playbook(default_route=b"sip:10.0.2.1:5060")
    flow = play.flow("client")

    def receive(data: bytes) -> None:
        play.core.receive(flow, data, play.now)
        play.core.take_commands()

    def message(fold: str) -> Callable[[int], bytes]:
        return lambda size: request(
            "OPTIONS sip:x@contoso.test", "X: a" + fold * (size // len(fold))
        )

    hold_flat(receive, map(message, FOLDS), per_byte=60e-9)
