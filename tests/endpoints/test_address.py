"""What an administrator writes, in one form or refused with what to do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.endpoints.address import (
    Refused,
    endpoint_address,
    normalise_address,
    normalise_display_name,
    normalise_fqdn,
    normalise_request_uri,
    normalise_service_uri,
)
from proxy.sip.uri import parse_uri

DOMAINS = {"contoso.test"}


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("sip:ocschat@contoso.test", "sip:ocschat@contoso.test"),
        ("ocschat@contoso.test", "sip:ocschat@contoso.test"),
        ("SIP:OcsChat@Contoso.TEST", "sip:OcsChat@Contoso.TEST"),
        ("  ocschat@contoso.test ", "sip:ocschat@contoso.test"),
        ("GC-1-Service_2@contoso.test", "sip:GC-1-Service_2@contoso.test"),
    ],
)
def test_sip_is_added_and_the_spelling_kept(written, address):
    assert normalise_address(written, DOMAINS) == (address, address[4:].lower())


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("sips:ocschat@contoso.test", 'write "sip:ocschat@contoso.test"'),
        ("tel:+4930123456", "telephone number"),
        ("mailto:a@contoso.test", "is a mailto: address"),
        ("ocschat", 'has no "@"'),
        ("", 'has no "@"'),
        ("@contoso.test", "is not a SIP address"),
        ("sip:a b@contoso.test", "is not a SIP address"),
        ("sip:<a@contoso.test>", "is not a SIP address"),
        ("a@contoso.test:5060", 'write "sip:a@contoso.test"'),
        ("a@contoso.test;transport=tcp", 'write "sip:a@contoso.test"'),
        ("sip:a:secret@contoso.test", "has a password"),
        ("a%41@contoso.test", "escaped letter"),
        ("a@contoso.test.", "final dot"),
        ("a@10.1.2.3", "IP address"),
        ("a@[::1]", "IP address"),
        ("a@con_toso.test", "is not a domain name"),
        ("ü@contoso.test", "outside ASCII"),
        ("a@fabrikam.test", "not a domain we answer for (contoso.test)"),
        ("a@sub.contoso.test", "not a domain we answer for"),
    ],
)
def test_an_address_that_cannot_be_an_endpoint_is_refused(written, says):
    with pytest.raises(Refused) as caught:
        normalise_address(written, DOMAINS)
    assert says in str(caught.value)


@given(st.from_regex(r"[A-Za-z0-9.\-_+]{1,20}@[a-z]{1,10}\.test", fullmatch=True))
def test_the_key_is_the_one_that_a_request_is_looked_up_by(written):
    address, key = normalise_address(written)
    assert parse_uri(address.upper().replace("SIP:", "sip:").encode()).key == key


@given(st.text(max_size=60))
def test_any_text_is_one_form_or_refused(text):
    for normalise in (normalise_address, normalise_fqdn, normalise_request_uri):
        try:
            result = normalise(text)
        except Refused as refusal:
            assert str(refusal)
        else:
            once = result[0] if isinstance(result, tuple) else result
            assert normalise(once) == result


@pytest.mark.parametrize("written", ["pcpool.contoso.test", " PCPool.Contoso.Test. "])
def test_an_fqdn_is_lower_case_without_final_dot(written):
    assert normalise_fqdn(written) == "pcpool.contoso.test"


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "is empty"),
        ("pcpool", "short name"),
        ("10.1.2.3", "is an IP address"),
        ("::1", "is an IP address"),
        ("sip:pcpool.contoso.test", "not a host name"),
        ("a@pcpool.contoso.test", "not a host name"),
        ("pcpool.contoso.test:5041", "pool set pcpool.contoso.test --port 5041"),
        ("pc_pool.contoso.test", '"pc_pool" cannot stand in a host name'),
        ("-pool.contoso.test", '"-pool" cannot stand'),
        ("pool..test", '"" cannot stand'),
        ("pool.123", "is not an FQDN"),
        ("a" * 64 + ".test", "cannot stand"),
        (".".join(["a" * 60] * 5), "is not an FQDN"),
        ("pöol.contoso.test", "xn--"),
    ],
)
def test_a_name_that_is_no_fqdn_is_refused(written, says):
    with pytest.raises(Refused) as caught:
        normalise_fqdn(written)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("written", "policy"),
    [
        ("Pool-Host", "pool-host"),
        ("keep", "keep"),
        ("sip:chat@pc.test", "sip:chat@pc.test"),
        ("sip:chat@pc.test:5041;transport=tls", "sip:chat@pc.test:5041;transport=tls"),
    ],
)
def test_a_request_uri_is_a_word_or_a_uri(written, policy):
    assert normalise_request_uri(written) == policy


@pytest.mark.parametrize("written", ["", "host", "sips:a@b.c", "tel:1", "sip:a@b?c=d"])
def test_any_other_request_uri_is_refused_with_the_choices(written):
    with pytest.raises(Refused, match="pool-host"):
        normalise_request_uri(written)


@pytest.mark.parametrize(
    ("written", "pattern"),
    [
        ("sip:GC-*@Contoso.test", "sip:GC-*@contoso.test"),
        ("GC-1@contoso.test", "sip:GC-1@contoso.test"),
    ],
)
def test_a_service_uri_pattern_keeps_its_star(written, pattern):
    assert normalise_service_uri(written, DOMAINS) == pattern


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("sip:*@contoso.test", "would catch every address"),
        ("sip:GC-*@*.test", "only before"),
        ("sip:GC-[12]@contoso.test", "only"),
        ("GC-*", "is not sip:user@domain"),
        ("sips:GC-*@contoso.test", "is not sip:user@domain"),
        ("sip:GC-*@fabrikam.test", "not a domain we answer for"),
    ],
)
def test_a_pattern_that_is_too_wide_or_foreign_is_refused(written, says):
    with pytest.raises(Refused) as caught:
        normalise_service_uri(written, DOMAINS)
    assert says in str(caught.value)


def test_a_display_name_is_one_printable_line():
    assert normalise_display_name(" Chät [1] ") == "Chät [1]"
    for bad in ("a\nb", "\x1b[31m", "x" * 257):
        with pytest.raises(Refused):
            normalise_display_name(bad)


@pytest.mark.parametrize(
    "written",
    [
        "sip:*@contoso.test",
        "39061*@contoso.test",
        "sip:3906?@contoso.test",
        "sip:39061[0-9]@contoso.test",
    ],
)
def test_a_range_of_addresses_is_refused_with_a_sentence(written):
    with pytest.raises(Refused, match="ranges of addresses do not exist yet"):
        endpoint_address(written, DOMAINS)


def test_an_address_is_an_endpoints_as_ever():
    assert endpoint_address("OCSChat@contoso.test", DOMAINS) == (
        "sip:OCSChat@contoso.test",
        "ocschat@contoso.test",
    )
    # Whoever has made such a one finds and removes it.
    assert normalise_address("39061*@contoso.test")[1] == "39061*@contoso.test"
