"""The name servers in force, and how much of an answer is read."""

import os

import dns.message
import pytest

from proxy.pools import name_servers
from proxy.pools.name_servers import (
    MAX_BYTES,
    MAX_RECORDS,
    NameServers,
    TooLarge,
    parse_nameserver,
    shown,
)


def test_a_file_that_is_written_anew_is_followed(tmp_path):
    path = tmp_path / "resolv.conf"
    servers = NameServers(None, str(path))
    assert servers.addresses == []
    assert servers.absence == f"{path} names no name server"
    path.write_text("search corp.test\nnameserver 192.0.2.1\n# nameserver 192.0.2.9\n")
    assert servers.look_again()
    assert servers.addresses == ["192.0.2.1:53"]
    assert not servers.look_again()
    other = tmp_path / "new"
    other.write_text("nameserver 2001:db8::1\nnameserver none\nnameserver 192.0.2.2\n")
    os.replace(other, path)
    assert servers.look_again()
    assert servers.addresses == ["2001:db8::1:53", "192.0.2.2:53"]


@pytest.mark.parametrize("text", ["", "# being written\n", "nameserver\n", None])
def test_a_file_without_servers_takes_none_away(tmp_path, text):
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 192.0.2.1\n")
    servers = NameServers(None, str(path))
    path.unlink()
    if text is not None:
        path.write_text(text)
    assert not servers.look_again()
    assert servers.addresses == ["192.0.2.1:53"]


def test_configured_servers_stay_what_they_are(tmp_path):
    path = tmp_path / "resolv.conf"
    servers = NameServers(["192.0.2.7:5353"], str(path))
    path.write_text("nameserver 192.0.2.1\n")
    assert not servers.look_again()
    assert servers.addresses == ["192.0.2.7:5353"]


@pytest.mark.parametrize(
    ("text", "shown_as"),
    [
        ("192.0.2.53", "192.0.2.53:53"),
        ("192.0.2.53:5353", "192.0.2.53:5353"),
        ("2001:db8::53", "2001:db8::53:53"),
        ("[2001:db8::53]:5353", "2001:db8::53:5353"),
        ("[2001:db8::53]", "2001:db8::53:53"),
    ],
)
def test_a_server_is_an_address_with_or_without_a_port(text, shown_as):
    assert shown(parse_nameserver(text)) == shown_as


@pytest.mark.parametrize(
    "text", ["dns.test", "192.0.2.53:0", "192.0.2.53:65536", "192.0.2.53:x", ""]
)
def test_another_one_says_what_to_write(text):
    with pytest.raises(ValueError, match=r"write 192\.0\.2\.53:53"):
        parse_nameserver(text)


def answer(records: int, size: int = 0, *, is_cut: bool = False) -> bytes:
    """A header that says how many records follow, and as many bytes."""
    flags = b"\x82\x00" if is_cut else b"\x80\x00"
    head = b"\x00\x07" + flags + bytes((0, 0)) + records.to_bytes(2, "big") + bytes(4)
    return head + bytes(size)


def test_an_answer_is_weighed_before_it_is_read():
    for data, what in (
        (answer(MAX_RECORDS + 1), f"{MAX_RECORDS + 1} records"),
        (answer(0, MAX_BYTES), f"{MAX_BYTES + 12} bytes"),
    ):
        with pytest.raises(TooLarge, match=what):
            name_servers._read(data, may_be_cut=True)
    with pytest.raises(dns.message.ShortHeader):
        name_servers._read(b"\x00" * 11, may_be_cut=True)


def test_over_udp_a_cut_answer_is_asked_for_again_and_over_tcp_it_is_whole():
    with pytest.raises(dns.message.Truncated):
        name_servers._read(answer(0, is_cut=True), may_be_cut=True)
    assert name_servers._read(answer(0, is_cut=True), may_be_cut=False).id == 7


def test_what_stands_beside_the_answer_is_left_unread():
    """Additional records that cannot be parsed spoil nothing."""
    data = answer(0)[:10] + b"\x00\x09" + b"no record at all"
    assert name_servers._read(data, may_be_cut=True).additional == []
