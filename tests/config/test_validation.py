"""A table against the sections: every mistake at once, each with what to write."""

import re

import pytest

from tests.config.loading import problems
from tests.support.configuration import SMALL


def test_missing_sections_are_named_with_what_to_write(tmp_path):
    found = "\n".join(problems(tmp_path, ""))
    assert "proxy: is missing: write a section [proxy]" in found
    assert "listen: is missing: write [[listen]]" in found


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ('[store]\nurl = "mysql://x"', 'the store "mysql" is not known'),
        ('[store]\nurl = "sqlite://x.db"', "four slashes"),
        ('[dns]\nnameservers = ["ns.test"]', "is not an IP address"),
        ('[routes]\ndefault = "sips:fe.test"', "sip:fe.test;transport=tls"),
        ('[routes]\ndefault = "fe.test"', "is not a SIP URI"),
        ('[routes]\ndefault = "sip:u@fe.test"', "more than a next hop"),
        ('[routes]\ndefault = "sip:fe.test;transport=sctp"', "is not udp, tcp or tls"),
        (
            '[[listen]]\ntransport = "udp"\naddress = "127.0.0.5:1"\nfirst_hop = true',
            "speak TLS or TCP",
        ),
        (
            "[limits]\nidle_established = 300\n[registrar]\nenabled = true",
            "idle_established = 3600.0",
        ),
        (
            '[[listen]]\ntransport = "udp"\naddress = "127.0.0.5:1"\n'
            'trusted_peers = ["fe.test"]',
            'verify_client = "required"',
        ),
        ('[[pool]]\nfqdn = "a.test"\n[[pool]]\nfqdn = "A.test"', "stands here twice"),
        ('[routes]\ndefault = "sip:127.0.0.5:5060"', "our own address"),
        ("[attempts]\nfailover_codes = [200]", "200 cannot be a reason"),
        ("[attempts]\ntotal = 1.0", "write total = 12.0"),
        ("[attempts]\nconnect = -1.0", "greater than 0"),
        ("[log]\naccess = 1", "should be a boolean"),
        ('[log]\nformat = "xml"', "'auto', 'json' or 'console'"),
        ('[limits]\ntrusted_networks = ["10.0.0.1/8"]', "10.1.0.0/16"),
        (
            '[[listen]]\ntransport = "tls"\naddress = "127.0.0.5:5061"',
            "needs a certificate",
        ),
        (
            '[[listen]]\ntransport = "tcp"\naddress = "0.0.0.0:5060"',
            "others need a name to answer to",
        ),
        (
            '[[listen]]\ntransport = "udp"\naddress = "127.0.0.5:5060"',
            "is used twice",
        ),
        (
            '[tls]\ncertificate = "c"\nkey = "k"\n[[listen]]\ntransport = "tls"\n'
            'address = "127.0.0.5:5061"\nverify_client = "required"',
            "the authorities to trust",
        ),
    ],
)
def test_a_wrong_value_says_what_to_write(tmp_path, extra, expected):
    found = problems(tmp_path, SMALL + extra)
    assert len(found) == 1
    assert expected in found[0]
    assert re.match(r"/waypost.toml:\d+: ", found[0])


def test_a_value_in_place_of_a_section_is_told(tmp_path):
    (found,) = problems(tmp_path, f"log = 1\n{SMALL}")
    assert found.endswith(":1: log: is 1 but should be a table: write a section [log]")


SECRET = "hunter2hunter2hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f'[admin]\ntoken = ["{SECRET}"]',
        f"[admin]\ntoken = {SECRET}",
        f'[admin]\ntoken = "{SECRET}',
        f"[admin]\n'token' = {SECRET}",
        f'[admin]\ntoken = {{ value = "{SECRET}" }}',
        f'[[admin]]\ntoken = "{SECRET}"',
        f"[admin]\ntokne = {SECRET}",
        f'[admin]\n"key" = "{SECRET}',
        f'[store]\nurl = ["redis://waypost:{SECRET}@10.0.0.1"]',
        f"[store]\nurl = redis://waypost:{SECRET}@10.0.0.1",
        f'[store]\nurl = "redis://waypost:x/{SECRET}@10.0.0.1"',
        f'[store]\nurl = "redis://waypost:x?{SECRET}@10.0.0.1"',
        f'[store]\nurl = "redis://waypost:x#{SECRET}@10.0.0.1"',
        f"[store]\nurl = rediss+sentinel://a@h/m?sentinel_password={SECRET}",
    ],
)
def test_no_mistake_prints_a_secret(tmp_path, text):
    shown = "\n".join(problems(tmp_path, f"{SMALL}\n{text}\n"))
    assert shown and SECRET not in shown


def test_a_token_that_is_a_number_is_refused_without_being_shown(tmp_path):
    (shown,) = problems(tmp_path, f"{SMALL}\n[admin]\ntoken = 8812734655412345678\n")
    assert "8812734655412345678" not in shown
    assert "admin.token" in shown and "string" in shown


def test_an_ordinary_mistake_shows_what_was_written(tmp_path):
    (shown,) = problems(tmp_path, "[proxy]\nadvertised_host = proxy.long-name.test\n")
    assert "`advertised_host = proxy.long-name.test`" in shown
    (shown,) = problems(tmp_path, f"{SMALL}\n[admin]\nlisten = 8060\n")
    assert "is 8060 but" in shown
