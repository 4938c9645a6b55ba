"""No secret of a message survives masking; what is none, and the form, does."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.recorder.masking import body_mask, masked_head
from proxy.sip.masking import masked_uri
from proxy.sip.message import parse_message
from tests.property.strategies import requests
from tests.support.messages import request

SECRET = "Zx9SECRETq7"
PLACES = (
    'Authorization: Digest username="alice", response="{}"',
    "authorization : Basic {}",
    'Proxy-Authorization: TLS-DSK qop="auth",\r\n\tgssapi-data="{}"',
    'Proxy-Authorization: NTLM\r\n realm="x",\r\n gssapi-data="{}", version=4',
    'WWW-Authenticate: Kerberos realm="x", targetname="sip/{}"',
    'Authentication-Info: rspauth="{}", srand="1"',
    "Cookie: session={}",
    "Set-Cookie: a=b; id={}",
    "X-MS-Auth-Ticket: {}",
    "ms-session-key: {}",
    "X-Api-Key: {}",
    "Identity: eyJ{}",
    "Contact: <sip:alice:{}@10.1.0.9>",
    "P-Asserted-Identity: <sip:alice:{}@contoso.test>, <tel:+49>",
    "Refer-To: <sip:bob@contoso.test?Authorization=Digest%20{}&Subject=hello>",
    'Warning: 399 host "x";password="{}"',
    "X-Odd: a;token={};b=2",
    "Route: <sip:{}@proxy.contoso.test:5060;lr>",
    "Record-Route: <sip:{}@proxy.contoso.test;lr>,<sip:other@10.9.9.9;lr>",
    "Path: <sip:{}@10.9.9.9;lr>",
    "Contact: <sip:AAAAAAA{}~alice@10.0.0.5;transport=tcp>",
    "Contact: <sip:alice@10.0.0.5;wp={}>;+sip.instance=x",
    "From : Alice <sips:alice:p@{}@contoso.test>",
    "no colon at all {}",
)


@pytest.mark.parametrize("line", PLACES)
def test_a_secret_goes_wherever_it_stands(line: str) -> None:
    data = request("INVITE sip:x@contoso.test", line.format(SECRET))
    head, _ = masked_head(data)
    assert SECRET.encode() not in head
    name = line.partition(":")[0].strip()
    assert name.encode() in head or ":" not in line


@given(
    data=requests(),
    lines=st.lists(st.sampled_from(PLACES), min_size=1, max_size=4),
    at=st.integers(0, 8),
    end=st.sampled_from(("\r\n", "\n", "\r")),
)
def test_no_generated_message_keeps_one(
    data: bytes, lines: list[str], at: int, end: str
) -> None:
    head, _, _ = data.partition(b"\r\n\r\n")
    split = head.split(b"\r\n")
    place = max(1, min(at, len(split)))
    while place < len(split) and split[place][:1] in (b" ", b"\t"):
        place += 1  # not between a line and its fold
    split[place:place] = [line.format(SECRET).encode() for line in lines]
    body = f"{end}{end}{SECRET}{end}Call-ID: {SECRET}".encode()
    message = b"\r\n".join(split).replace(b"\r\n", end.encode()) + body
    kept, _ = masked_head(message)
    assert SECRET.encode() not in kept


@given(requests())
def test_what_is_left_is_still_that_message(data: bytes) -> None:
    head, body = masked_head(data)
    assert data.endswith(body)
    before = parse_message(data)
    after = parse_message(head + body_mask(head, len(body)))
    for name in ("call-id", "cseq", "via", "max-forwards"):
        assert after.values(name) == before.values(name)
    assert after.names == before.names
    assert after.to_tag() == before.to_tag()
    assert after.from_tag() == before.from_tag()


@given(st.binary(max_size=300))
def test_nothing_raises(data: bytes) -> None:
    masked_head(data)
    masked_uri(data)


def test_what_is_no_sip_is_not_kept() -> None:
    head, body = masked_head(b"password=hunter2\r\n\r\n")
    assert b"hunter2" not in head
    assert len(body) == 20


def test_a_body_keeps_its_length() -> None:
    data = request(
        "INVITE sip:x", "Content-Type: application/sdp", body=b"v=0\r\nsecret"
    )
    head, body = masked_head(data)
    assert body == b"v=0\r\nsecret"
    assert body_mask(head, len(body)) == b"s=*********"
    assert body_mask(b"Content-Type: text/plain", 3) == b"***"


@pytest.mark.parametrize(
    "evil",
    [
        *(b"a:" * 8000 + b"@", b"sip:" * 4000 + b"@", b"@" + b"a:" * 8000),
        *(b";auth" * 3000, b'"\\' * 8000, b"token=" * 2600, b"<" * 16_000 + b"@"),
    ],
)
def test_no_line_costs_more_than_its_length(evil: bytes) -> None:
    began = time.process_time()
    for name in (b"X-F", b"Route", b"Contact"):
        masked_head(b"INVITE sip:x SIP/2.0\r\n" + name + b": " + evil + b"\r\n\r\n")
    assert time.process_time() - began < 0.5
