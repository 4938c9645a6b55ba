"""What is fuzzed: each target takes any bytes, and raises when a promise is broken."""

import contextlib
import random
from collections.abc import Callable

import h11

from proxy.admin.listener import http
from proxy.config.toml_lines import locate_keys
from proxy.core.dialogs.requri import learned_uri
from proxy.core.tokens import TokenBox
from proxy.endpoints.address import Refused
from proxy.endpoints.exchange import decode, identities_of, read_rows
from proxy.endpoints.filters import parse_filter
from proxy.endpoints.plan import parse_pilots, parse_plan
from proxy.sip.cutting import cut, cut_plainly
from proxy.sip.digest import parse_credentials
from proxy.sip.errors import MalformedMessage
from proxy.sip.fields import (
    parse_cseq,
    parse_name_addr,
    parse_routes,
    parse_tokens,
    parse_via,
    tag_of,
    tag_of_line,
)
from proxy.sip.framing import StreamFramer
from proxy.sip.grammar import parse_parameters, split_values, unfold
from proxy.sip.limits import DEFAULT_LIMITS
from proxy.sip.message import _parse_carefully, parse_message
from proxy.sip.uri import parse_uri
from tests.fuzz.world import core
from tests.property.test_parse import (
    outcome,
    test_a_response_that_looks_plain_is_what_the_parser_makes_of_it,
)
from tests.support.playbook import Playbook, endpoint

PLAIN = test_a_response_that_looks_plain_is_what_the_parser_makes_of_it.hypothesis


def message(data: bytes) -> None:
    """Any bytes are a message or malformed; both paths of the parser agree, and both
    ways to cut it."""
    for most in (2, 64):
        assert cut(data, most) == cut_plainly(data, most)
    for stream in (False, True):
        fast = outcome(lambda stream=stream: parse_message(data, stream=stream))
        careful = outcome(
            lambda stream=stream: _parse_carefully(data, DEFAULT_LIMITS, stream)
        )
        assert fast == careful
    with contextlib.suppress(MalformedMessage):
        read = parse_message(data)
        whole = read.serialise()
        assert outcome(lambda: parse_message(whole)) == outcome(lambda: read)
    PLAIN.inner_test(data)


def framing(data: bytes) -> None:
    """A stream is the same however it is cut."""
    whole = _framed([data])
    rng = random.Random(len(data))
    cuts = sorted(rng.randint(0, len(data)) for _ in range(5))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert _framed(pieces) == whole
    if len(data) < 4000:
        assert _framed([data[i : i + 1] for i in range(len(data))]) == whole


def _framed(pieces: list[bytes]) -> tuple[object, ...]:
    framer = StreamFramer()
    messages = [each for piece in pieces for each in framer.feed(piece)]
    error = framer.error
    # Where an error is found depends on how much of the rest has arrived.
    told = error and (error.status, error.reason)
    return messages, told, framer.keepalives, framer.is_partial


def fields(data: bytes) -> None:
    """Whatever reads one value raises MalformedMessage and nothing else."""
    for value in data.split(b"\n--\n"):
        for read in (
            *(parse_via, parse_name_addr, parse_uri, parse_cseq, tag_of_line, tag_of),
            *(parse_credentials, split_values, parse_parameters, unfold),
        ):
            with contextlib.suppress(MalformedMessage):
                read(value)
        for read_all in (parse_routes, parse_tokens):
            with contextlib.suppress(MalformedMessage):
                read_all([value, value])
        with contextlib.suppress(MalformedMessage):
            uri = parse_uri(value)
            uri.key.encode()
            assert uri.raw == value
        if b'"' not in value and b"<" not in value:
            assert b"".join(split_values(value)) == b"".join(
                part.strip() for part in value.split(b",")
            )
        learned_uri(value, frozenset({"contoso.test"}))


def admin(data: bytes) -> None:
    """What our HTTP reader accepts, h11 reads in the same way."""
    head = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    if len(head) > http.REQUEST_LIMIT:
        return
    try:
        ours = http._parse(head)
    except http.HttpError as error:
        assert 400 <= error.status < 500
        return
    if b"host" not in ours.headers:  # h11 wants one of everybody; programs send none
        head = head[:-2] + b"Host: x\r\n\r\n"
    judge = h11.Connection(h11.SERVER)
    judge.receive_data(head)
    theirs = judge.next_event()
    assert isinstance(theirs, h11.Request)
    assert ours.method.encode() == theirs.method
    assert ours.path.encode() == theirs.target.partition(b"?")[0]
    said = dict(theirs.headers)
    assert {k: v for k, v in said.items() if k in ours.headers} == {
        # Which of several lines of one name counts, nobody asks but for these.
        k: (v if k in http._ONCE else said[k])
        for k, v in ours.headers.items()
    }
    assert isinstance(judge.next_event(), h11.EndOfMessage)  # no body hides a request


def files(data: bytes) -> None:
    """What administrators hand us is read or refused with a sentence."""
    text = decode(data)
    for read in (
        *(read_rows, identities_of, parse_filter),
        *(lambda x: parse_plan(x, "plan"), lambda x: parse_pilots(x, "pilots")),
    ):
        try:
            read(text)
        except Refused as error:
            assert str(error)
    locate_keys(text)
    with contextlib.suppress(Refused):
        parse_filter(text)(endpoint())


_TOKENS = Playbook()


def tokens(data: bytes) -> None:
    """Only what we made is a token."""
    box: TokenBox = _TOKENS.core.tokens
    made = box.make(_TOKENS.flow("client/tcp"))
    found = box.open(data)
    assert found is None or data.rstrip(b"=") == made
    assert box.open(made) is not None


TARGETS: dict[str, Callable[[bytes], None]] = {
    "message": message,
    "framing": framing,
    "fields": fields,
    "admin": admin,
    "files": files,
    "tokens": tokens,
    "core": core,
}
