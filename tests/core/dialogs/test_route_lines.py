"""Our Record-Route lines: how they are written, found and changed."""

import pytest

from proxy.core.dialogs.route_lines import lines_of, where_said, with_entry
from proxy.sip.flow import Listener

UDP = Listener("udp", "10.0.0.5", 5060)
TCP = Listener("tcp", "10.0.0.5", 5060)
TLS = Listener("tls", "10.0.0.5", 5061)


@pytest.mark.parametrize(
    ("inward", "out", "secure", "asked", "expected"),
    [
        (UDP, UDP, False, False, [b"<sip:t@10.0.0.5:5060;lr>"]),
        (TCP, TCP, False, False, [b"<sip:t@10.0.0.5:5060;transport=tcp;lr>"]),
        (
            *(UDP, TCP, False, False),
            [b"<sip:t@10.0.0.5:5060;transport=tcp;lr>", b"<sip:t@10.0.0.5:5060;lr>"],
        ),
        (
            *(TLS, TLS, True, True),
            [b"<sips:t@10.0.0.5:5061;lr>"],
        ),
        # sips: cannot name a listener without TLS, so only the way out is written.
        (UDP, TLS, True, True, [b"<sips:t@10.0.0.5:5061;lr>"]),
    ],
)
def test_one_line_for_each_listener(inward, out, secure, asked, expected) -> None:
    found = lines_of(b"t", inward, out, secure, asked)
    assert found == [b"Record-Route: " + each for each in expected]


@pytest.mark.parametrize(
    ("line", "where"),
    [
        (b"Contact: <sip:alice@10.1.0.9:40000>", b"@10.1.0.9:40000>"),
        (b"Record-Route: <sip:x.y+z~1@edge.test;lr>", b"@edge.test;lr>"),
        (b"Contact: <sip:10.1.0.9>", b"Contact: <sip:10.1.0.9>"),
        (b"Contact: <sip:a%40b@h>", b"Contact: <sip:a%40b@h>"),
        (b"Contact: <sip:\xfc@h>", b"Contact: <sip:\xfc@h>"),
        (b"m: <sip:alice@h>", b"m: <sip:alice@h>"),
    ],
)
def test_only_a_plain_user_part_is_left_out(line: bytes, where: bytes) -> None:
    assert where_said(line) == where


def test_our_entry_is_changed_in_record_routes_and_nowhere_else() -> None:
    head = (
        b"SIP/2.0 200 OK\r\nRecord-Route: <sip:old@p;lr>\r\n"
        b"X-Copy: <sip:old@p;lr>\r\nrecord-route:<sip:old@p;lr>\r\n"
    )
    found = with_entry(head, b"old@p", b"new@p")
    assert found.count(b"new@p") == 2
    assert b"X-Copy: <sip:old@p;lr>" in found


def test_where_nobody_copied_it_the_head_keeps_every_other_byte() -> None:
    head = b"SIP/2.0 200 OK\r\nRecord-Route: <sip:old@p;lr>\r\nTo:  <sip:a@b>\r\n"
    assert with_entry(head, b"old@p", b"new@p") == head.replace(b"old@p", b"new@p")
